"""The delivery log of an endpoint: reading, redelivering, its limits, and its deletion with the endpoint."""

import asyncio
from collections import Counter

import pytest

from onramp_app.outgoing_webhooks import endpoints
from onramp_app.outgoing_webhooks.post import Poster
from onramp_app.outgoing_webhooks.sender import send_one, send_some, take_some
from onramp_app.running import retention
from tests.money import assert_problem
from tests.outgoing_webhooks.conftest import ENDPOINTS, Shop, happen
from tests.outgoing_webhooks.receiver import Receiver
from tests.people import Person
from tests.rows import Owner


async def test_one_that_was_taken_is_sent_again_the_same(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    endpoint = await shop.endpoint(receiver.url)
    receiver.answers(200, b"thank you \xff")
    await happen(ada.id)
    await send_some(poster)
    (one,) = await shop.deliveries(endpoint)
    assert (one["state"], one["attempts"][0]["answer"]) == ("delivered", "thank you \ufffd")
    where = f"{ENDPOINTS}/{endpoint['id']}/deliveries/{one['id']}/redeliver"
    again = await shop.ask("POST", where)
    assert (again.status_code, again.json()["state"]) == (200, "waiting")
    await send_some(poster)
    first, second = receiver.got
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == one["event_id"]
    assert one["request"] == first.document
    lines = owner.execute("SELECT subject FROM audit_log WHERE action = 'webhook.redelivered'").fetchall()
    assert lines == [(one["id"],)]
    shown = (await shop.ask("GET", where.removesuffix("/redeliver"))).json()
    assert len(shown["attempts"]) == 2


async def test_the_log_is_read_page_by_page(shop: Shop, ada: Person, receiver: Receiver) -> None:
    endpoint = await shop.endpoint(receiver.url)
    for number in range(5):
        await happen(ada.id, of=f"top_up:{number}", number=number)
    where, seen, cursor = f"{ENDPOINTS}/{endpoint['id']}/deliveries", [], None
    while True:
        page = (await shop.ask("GET", where, limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen += [one["request"]["data"]["number"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == [4, 3, 2, 1, 0]
    assert_problem(await shop.ask("GET", where, cursor="x"), 422, "validation_failed")
    assert await shop.deliveries(endpoint, state="delivered") == []


async def test_an_endpoint_that_is_removed_while_it_is_sent_to_gets_nothing_more(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    endpoint = await shop.endpoint(receiver.url)
    await happen(ada.id)
    (taken,) = await take_some(1, Counter())
    assert (await shop.ask("DELETE", f"{ENDPOINTS}/{endpoint['id']}")).status_code == 204
    assert await endpoints.give_up_stranded() == 1
    await send_one(taken, poster)
    await happen(ada.id, of="top_up:2")
    assert await send_some(poster) == 0
    deliveries = owner.execute("SELECT object, state FROM outgoing_deliveries").fetchall()
    assert deliveries == [("top_up:1", "failed")], "it had been given up when the answer came"
    assert await retention.purge() == {}, "its log goes with those of its time"
    assert owner.execute("DELETE FROM outgoing_events").rowcount == 1
    assert await retention.purge() == {"webhook_endpoints": 1}


async def test_of_each_delivery_the_newest_attempts_are_kept_and_the_list_shows_the_last(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    endpoint = await shop.endpoint(receiver.url)
    await happen(ada.id)
    owner.execute(
        "INSERT INTO outgoing_attempts (delivery_id, number, at, took_ms, status, answer)"
        " SELECT id, n, now(), n, 500, 'no' FROM outgoing_deliveries, generate_series(1, 20) n"
    )
    receiver.answers(200, b"a\0" + b"b" * 600)
    await send_some(poster)
    numbers = owner.execute("SELECT min(number), max(number), count(*) FROM outgoing_attempts").fetchone()
    assert numbers == (2, 21, 20)
    (listed,) = await shop.deliveries(endpoint)
    assert [one["answer"] for one in listed["attempts"]] == ["a?" + "b" * 498]
    where = f"{ENDPOINTS}/{endpoint['id']}/deliveries"
    whole = (await shop.ask("GET", f"{where}/{listed['id']}")).json()
    assert [one["answer"] for one in whole["attempts"]] == ["a?" + "b" * 600, *["no"] * 19]
    assert_problem(await shop.ask("GET", f"{where}/{'0' * 32}"), 404, "not_found")


async def test_all_that_was_not_taken_is_sent_again_so_often(shop: Shop) -> None:
    """Each call may redeliver up to ten thousand."""
    endpoint = await shop.endpoint()
    where = f"{ENDPOINTS}/{endpoint['id']}/redeliver"
    answers = [(await shop.ask("POST", where)).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]


@pytest.mark.full
async def test_a_log_of_200000_deliveries_is_read_disabled_and_sent_again_at_once(
    shop: Shop, owner: Owner, ada: Person
) -> None:
    """For one endpoint all are waiting; another has accepted all but one in a thousand."""
    dead, fine = [(await shop.endpoint())["id"] for _ in range(2)]
    owner.execute(
        "INSERT INTO outgoing_events (id, program_id, user_id, type, object, data, created_at)"
        " SELECT md5('e' || n), %s, %s, 'kyc.changed', 'o' || n, '{}', now() - n * interval '1 second'"
        " FROM generate_series(1, 200000) n",
        (shop.program_id, ada.id),
    )
    owner.execute(
        "INSERT INTO outgoing_deliveries"
        " (id, event_id, endpoint_id, object, sequence, state, made_at, due_at, ended_at)"
        " SELECT md5(e.id || n), md5('e' || n), e.id, 'o' || n, n, s.state, now() - n * interval '1 second',"
        " now(), CASE WHEN s.state <> 'waiting' THEN now() END"
        " FROM generate_series(1, 200000) n, webhook_endpoints e, LATERAL (SELECT CASE WHEN e.id = %s THEN"
        " 'waiting' WHEN n %% 1000 = 0 THEN 'failed' ELSE 'delivered' END AS state) s",
        (dead,),
    )
    owner.execute("ANALYZE outgoing_deliveries")
    async with asyncio.timeout(3):
        found = {one.endpoint.id: (one.waiting, one.failed) for one in await endpoints.listed_for_operators()}
        assert found == {dead: (100_000, 0), fine: (0, 200)}
        assert len(await shop.deliveries({"id": fine}, state="failed")) == 50
        again = await shop.ask("POST", f"{ENDPOINTS}/{fine}/redeliver")
        assert again.json() == {"redelivered": 200}
        assert (await shop.ask("DELETE", f"{ENDPOINTS}/{dead}")).status_code == 204
        assert await endpoints.give_up_stranded() == 1000
