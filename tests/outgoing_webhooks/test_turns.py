"""Which process sends which delivery next: each is sent once, and none delays another."""

import asyncio
from collections import Counter

from onramp_app.fleet.watch import end
from onramp_app.outgoing_webhooks import sender
from onramp_app.outgoing_webhooks.post import Poster
from onramp_app.outgoing_webhooks.sender import keep_sending, keep_sending_by, send_some, take_some
from tests import rows
from tests.outgoing_webhooks.conftest import ENDPOINTS, Shop, happen
from tests.outgoing_webhooks.receiver import Receiver, receiving
from tests.people import Person
from tests.rows import Owner


async def test_of_many_that_send_one_takes_each(shop: Shop, ada: Person, receiver: Receiver) -> None:
    await shop.endpoint(receiver.url)
    for number in range(10):
        await happen(ada.id, of=f"top_up:{number}")
    loops = [asyncio.create_task(keep_sending()) for _ in range(3)]
    await receiver.has(10)
    await asyncio.gather(*map(end, loops))
    assert sorted(Counter(got.headers["webhook-id"] for got in receiver.got).values()) == [1] * 10


async def test_an_endpoint_that_answers_nothing_holds_up_no_other(
    shop: Shop, ada: Person, receiver: Receiver
) -> None:
    async with receiving() as dead, Poster(total_seconds=60) as poster:
        dead.answer = None
        await shop.endpoint(dead.url)
        await shop.endpoint(receiver.url)
        for number in range(6):
            await happen(ada.id, of=f"top_up:{number}")
        loop = asyncio.create_task(keep_sending_by(poster))
        await receiver.has(6)
        assert len(dead.got) == sender.OF_ONE_ENDPOINT, "it has its few places, and no more"
        await end(loop)


async def test_a_program_with_many_slow_endpoints_holds_up_no_other(
    shop: Shop, owner: Owner, ada: Person, bo: Person, receiver: Receiver
) -> None:
    other_id, key = rows.program(owner)
    rows.program_user(owner, other_id, bo.id)
    other = Shop(shop.client, other_id, key)
    async with receiving() as slow, Poster(total_seconds=60) as poster:
        slow.answer = None
        for number in range(8):
            await shop.endpoint(f"{slow.url}/{number}")
        for number in range(sender.OF_ONE_ENDPOINT):
            await happen(ada.id, of=f"top_up:{number}")
        loop = asyncio.create_task(keep_sending_by(poster))
        await slow.has(sender.OF_ONE_PROGRAM)
        await other.endpoint(receiver.url)
        await happen(bo.id)
        await receiver.has(1)
        assert len(slow.got) == sender.OF_ONE_PROGRAM
        await end(loop)


async def test_where_less_is_under_way_comes_first(shop: Shop, owner: Owner, ada: Person) -> None:
    first, second = [await shop.endpoint() for _ in range(2)]
    for number in range(3):
        await happen(ada.id, of=f"top_up:{number}")
    owner.execute(
        "UPDATE outgoing_deliveries SET due_at = due_at - interval '1 hour' WHERE endpoint_id = %s",
        (first["id"],),
    )
    taken = await take_some(2, Counter({first["id"]: 2}))
    assert [one.endpoint.id for one in taken] == [second["id"]] * 2


async def test_what_becomes_of_one_that_cannot_be_noted_holds_up_no_other(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver
) -> None:
    await shop.endpoint(receiver.url)
    await happen(ada.id, of="top_up:bad", number=0)
    # The database refuses to record another attempt of this one.
    owner.execute(
        "INSERT INTO outgoing_attempts (delivery_id, number, at, took_ms)"
        " SELECT id, 1000000, now(), 1 FROM outgoing_deliveries"
    )
    loop = asyncio.create_task(keep_sending())
    await receiver.has(1)
    for number in (1, 2):
        await happen(ada.id, number=number)
    await receiver.has(3)
    await end(loop)
    states = owner.execute("SELECT state FROM outgoing_deliveries WHERE object = 'top_up:bad'").fetchall()
    assert states == [("waiting",)], "it comes due again"


async def test_one_that_takes_nothing_is_tried_by_one_request_at_a_time(
    shop: Shop, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    endpoint = await shop.endpoint(receiver.url)
    receiver.answers(503)
    await happen(ada.id)
    await send_some(poster)
    assert (await shop.ask("GET", f"{ENDPOINTS}/{endpoint['id']}")).json()["failing_since"] is not None
    for number in range(3):
        await happen(ada.id, of=f"top_up:{number + 2}")
    assert await send_some(poster) == 1
    receiver.answers(204)
    assert [await send_some(poster), await send_some(poster)] == [1, 1]
    assert (await shop.ask("GET", f"{ENDPOINTS}/{endpoint['id']}")).json()["failing_since"] is None
