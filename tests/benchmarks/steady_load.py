"""Latency of 200 webhooks a second for ten minutes, with 500 open tabs, while payments are credited.

Run: `python -m tests.benchmarks.steady_load [seconds]`. fsync is on. Every 0.2 s the provider delivers
an order, whose owner has an open tab. The webhooks repeat orders that were delivered earlier, each with
a new header: all are stored, and the reader reads their orders again. Response times count from when
the webhook was scheduled, so that time spent waiting to be sent is included.
"""

import asyncio
import statistics
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

from onramp_app.running import lifecycle
from tests.benchmarks.credited import measured_world, person
from tests.benchmarks.machine import load
from tests.crediting.world import SET_WEBHOOK, World
from tests.signed_webhooks import PATH, event_of, headers_of
from tests.simulator.process import PATIENT
from tests.sockets import TabSocket

WEBHOOKS_A_SECOND = 200
ORDERS_A_SECOND = 5
TABS = 500
SENDERS = 64
OPENED_AT_ONCE = 10

# Seconds from the receipt of the provider's webhook to the credit.
_LATE = """
SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM t.settled_at - e.received_at))
  FROM webhook_events e JOIN provider_orders o ON o.order_id = e.order_id JOIN top_ups t ON t.id = o.top_up_id
 WHERE e.received_at < t.settled_at
"""


@dataclass
class Sent:
    """How many seconds each answer took, and the status lines of those that were not a success."""

    seconds: list[float] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)


class Generator:
    """Posts webhooks at their scheduled times over persistent connections."""

    def __init__(self, url: str, orders: list[int]) -> None:
        self._address, self._orders, self._numbers = urlsplit(url), orders, count()
        self._began = time.monotonic()
        self.sent = Sent()

    async def post_until(self, end: float) -> None:
        """Post the webhooks that are due before `end`, over one connection."""
        host, port = self._address.hostname, self._address.port
        reader, writer = await asyncio.open_connection(host, port)
        while (due := self._began + (number := next(self._numbers)) / WEBHOOKS_A_SECOND) < end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            writer.write(self._request(number))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
            self.sent.seconds.append(time.monotonic() - due)
            if not head.startswith(b"HTTP/1.1 200"):
                self.sent.errors.append(head.partition(b"\r\n")[0])
        writer.close()

    def _request(self, number: int) -> bytes:
        order = self._orders[number % len(self._orders)]
        body = b'{"orderId": %d}' % order
        headers = headers_of(event_of(order, number=number)) | {
            "host": "wallet",
            "content-length": f"{len(body)}",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {PATH} HTTP/1.1\r\n{lines}content-type: application/json\r\n\r\n".encode() + body


async def _open_tabs(url: str, cookies: list[str]) -> list[TabSocket]:
    places = asyncio.Semaphore(OPENED_AT_ONCE)

    async def open_one(cookie: str) -> TabSocket:
        async with places:
            tab = await TabSocket.open(url, cookie=f"session={cookie}")
            await tab.open_page("/home")
            return tab

    return list(await asyncio.gather(*map(open_one, cookies)))


async def _deliver(world: World, orders: list[int], *, began: float) -> None:
    for number, order in enumerate(orders):
        await asyncio.sleep(max(0.0, began + number / ORDERS_A_SECOND - time.monotonic()))
        await asyncio.to_thread(world.simulator.move, order, 4)


async def _measure(url: str, world: World, seconds: int) -> None:
    world.simulator.data(SET_WEBHOOK, {"webhookUrl": f"{url}{PATH}"})
    people = [await person(number) for number in range(TABS)]
    owners = [one.viewer.user_id for one in people]
    top_ups = [world.top_up(owners[n % TABS]) for n in range(ORDERS_A_SECOND * (seconds + 4))]
    orders = [world.open_order(top_up) for top_up in top_ups]
    known, paid = orders[: ORDERS_A_SECOND * 4], orders[ORDERS_A_SECOND * 4 :]
    await _deliver(world, known, began=time.monotonic())
    tabs = await _open_tabs(url, [one.cookie_value for one in people])
    before = int(world.one("SELECT count(*) FROM webhook_events"))
    generator, began = Generator(url, known), time.monotonic()
    delivering = asyncio.create_task(_deliver(world, paid, began=began))
    await asyncio.gather(*(generator.post_until(began + seconds) for _ in range(SENDERS)))
    await delivering
    settled = "SELECT count(*) FROM top_ups WHERE status = 'settled'"
    await world.until(lambda: world.one(settled) == len(orders), seconds=60)
    late = world.one(_LATE)
    stored = int(world.one("SELECT count(*) FROM webhook_events")) - before
    for tab in tabs:
        await tab.close()
    await lifecycle.disconnect()
    sent = generator.sent
    cuts = statistics.quantiles([one * 1000 for one in sent.seconds], n=100)
    print(  # noqa: T201
        f"{len(sent.seconds)} webhooks in {seconds} s, {TABS} tabs open: half answered in {cuts[49]:.1f} ms,"
        f" 99 % within {cuts[98]:.1f} ms, the last within {max(sent.seconds) * 1000:.0f} ms;"
        f" {len(sent.errors)} errors {sent.errors[:3]}; {stored - len(paid)} of them stored;"
        f" {len(paid)} orders credited meanwhile, 95 % within {float(late):.1f} s; {load()}"
    )


def main(seconds: int) -> None:
    """Measure once."""
    with measured_world(PATIENT) as (url, world):
        asyncio.run(_measure(url, world, seconds))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
