"""Sends signed webhooks as the provider does, retrying each one until it is answered with 200."""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import psycopg

from tests.signed_webhooks import PATH, event_of, headers_of

AT_ONCE = 32
AGAIN_AFTER_SECONDS = 0.2


@dataclass
class Sender:
    """Sends webhooks to the instances in turn, and keeps the answers.

    `order_of` returns the order that the next webhook is about. `acknowledged` has, for each number answered
    with 200, the time (`time.time`) and the order. `answers` counts statuses, with 0 for no answer.
    """

    urls: list[str]
    order_of: Callable[[], int | str]
    acknowledged: dict[int, tuple[float, int | str]] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0

    async def send(self, numbers: range, *, a_second: float, most_tries: int | None = None) -> None:
        """Send these numbers, at most `a_second`, until each is acknowledged or tried `most_tries` times."""
        waiting, begun = iter(numbers), time.monotonic()

        async def send_next(client: httpx.AsyncClient) -> None:
            for number in waiting:
                await asyncio.sleep(max(0.0, begun + (number - numbers.start) / a_second - time.monotonic()))
                await self._send(client, number, most_tries)

        limits = httpx.Limits(max_connections=2 * AT_ONCE)
        async with (
            httpx.AsyncClient(trust_env=False, verify=False, timeout=10, limits=limits) as client,
            asyncio.TaskGroup() as tasks,
        ):
            for _ in range(AT_ONCE):
                tasks.create_task(send_next(client))

    async def _send(self, client: httpx.AsyncClient, number: int, most_tries: int | None) -> None:
        order = self.order_of()
        event = event_of(order, number=number)
        headers, body = headers_of(event), json.dumps(event)
        for attempt in itertools.count() if most_tries is None else range(most_tries):
            url = self.urls[(number + attempt) % len(self.urls)] + PATH
            try:
                answer = await client.post(url, headers=headers, content=body)
            except httpx.HTTPError:
                self.answers[0] += 1
            else:
                self.answers[answer.status_code] += 1
                if answer.status_code == httpx.codes.OK:
                    self.acknowledged[number] = time.time(), order
                    return
                self.without_retry_after += "retry-after" not in answer.headers
            await asyncio.sleep(AGAIN_AFTER_SECONDS)

    def acknowledged_at(self) -> dict[int, float]:
        """Return when the first webhook of each order was acknowledged."""
        told: dict[int, float] = {}
        for at, order in self.acknowledged.values():
            told[int(order)] = min(at, told.get(int(order), at))
        return told

    def lost(self, database: str) -> set[int]:
        """Return the numbers that were acknowledged but are not in the inbox."""
        with psycopg.connect(database) as owner:
            stored = owner.execute(
                "SELECT (convert_from(body, 'utf8')::jsonb ->> 'number')::int FROM webhook_events"
            ).fetchall()
        return self.acknowledged.keys() - {number for (number,) in stored}
