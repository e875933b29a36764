"""Forged bodies under a header that the provider really signed: none of them has any effect."""

import asyncio
import json
from collections import Counter

import httpx
import pytest

from onramp_app.provider_orders import inbox
from tests.attack.hostile import Malice
from tests.crediting.conftest import money_simulator, world
from tests.crediting.reads import apply_all, keep, order_of, recognition_id
from tests.crediting.world import World
from tests.signed_webhooks import PATH, event_of, headers_of

__all__ = ["money_simulator", "world"]
BODIES_A_HEADER = 500
AT_ONCE = 20


def _body(malice: Malice, top_ups: list[str]) -> bytes:
    body = {
        name: malice.value()
        for name in ("orderId", "status", "eventType", "merchantRecognitionId", "metadata")
    }
    if malice.random.random() < 0.5:
        body |= {"orderId": malice.random.randrange(10**9), "status": 4, "actualCryptoAmount": "1000000"}
        body |= {"merchantRecognitionId": malice.random.choice(top_ups), "eventType": "onramp"}
    return json.dumps(body).encode()[: malice.random.choice([60_000, 60_000, 50])]


async def flood(world: World, url: str, seed: int, *, bodies: int) -> tuple[Counter[int], int]:
    """Post forged bodies under signed headers; return the number of answers by status, and of stored ones."""
    top_ups = [row["id"] for row in world.rows("SELECT id FROM top_ups")]
    names = [row["recognition_id"] for row in world.rows("SELECT recognition_id FROM widget_sessions")]
    malice = Malice(seed, [*top_ups, *names])
    statuses: Counter[int] = Counter()
    stored: set[tuple[int, bytes]] = set()
    async with httpx.AsyncClient(base_url=url, timeout=30, verify=False) as client:
        for first in range(0, bodies, BODIES_A_HEADER):
            headers = headers_of(event_of(10**10 + first))
            for _ in range(min(BODIES_A_HEADER, bodies - first) // AT_ONCE):
                contents = [_body(malice, names) for _ in range(AT_ONCE)]
                posts = [client.post(PATH, headers=headers, content=content) for content in contents]
                answers = [answer.status_code for answer in await asyncio.gather(*posts)]
                statuses.update(answers)
                stored |= {
                    (first, content)
                    for content, status in zip(contents, answers, strict=True)
                    if status == 200
                }
    return statuses, len(stored)


async def _prove(world: World, seed: int, *, bodies: int) -> None:
    person = world.user()
    top_up = world.top_up(person)
    async with world.running(in_background=False) as url:
        before = (world.state(top_up), world.rows("SELECT * FROM provider_orders"))
        statuses, acknowledged = await flood(world, url, seed, bodies=bodies)
        await inbox.close()
        note = f"ATTACK_SEED={seed} {statuses}"
        assert set(statuses) == {200, 409}, note
        stored = world.rows("SELECT count(*) AS bodies FROM webhook_events GROUP BY header")
        assert max(row["bodies"] for row in stored) <= 20, note
        assert acknowledged == sum(row["bodies"] for row in stored), "200 says that it is stored"
        await apply_all()
        assert (world.state(top_up), world.rows("SELECT * FROM provider_orders")) == before, note
        assert world.one("SELECT count(*) FROM ledger_transfers") == 0, note
        # The real order, as a read from the provider returns it.
        await keep(order_of(77, 4, merchantRecognitionId=recognition_id(world, top_up)))
        await apply_all()
        assert world.state(top_up)["status"] == "settled", note


async def test_made_up_bodies_under_a_signed_header_do_nothing(world, seed):
    await _prove(world, seed, bodies=200)


@pytest.mark.full
async def test_fifty_thousand_made_up_bodies_do_nothing(world, seed):
    await _prove(world, seed, bodies=50_000)


async def test_without_the_limit_a_header_fills_the_inbox(world, seed):
    """The control for the limit of twenty bodies per header."""
    world.top_up(world.user())
    world.run("ALTER TABLE webhook_events DISABLE TRIGGER limit_bodies")
    async with world.running(in_background=False) as url:
        await flood(world, url, seed, bodies=60)
        await inbox.close()
    assert world.one("SELECT count(*) FROM webhook_events") > 20
