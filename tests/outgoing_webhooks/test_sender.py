"""Deliveries: verified by the reference library, at least once, in order, retried, given up, redelivered."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks

from onramp_app.config import get_settings
from onramp_app.fleet.watch import end
from onramp_app.outgoing_webhooks import endpoints, schedule, sender
from onramp_app.outgoing_webhooks.post import Poster
from onramp_app.outgoing_webhooks.schedule import GIVEN_UP_AFTER, MOST_RETRY_AFTER, WAITS, next_try
from onramp_app.outgoing_webhooks.sender import keep_sending_by, send_one, send_some, take_some
from onramp_app.outgoing_webhooks.words import EventType
from tests import rows
from tests.money import assert_problem
from tests.outgoing_webhooks.conftest import ENDPOINTS, Shop, happen
from tests.outgoing_webhooks.receiver import Receiver, answer
from tests.people import Person
from tests.rows import Owner


def _let_time_pass(owner: Owner, seconds: float) -> None:
    """Backdate all times of deliveries, as if `seconds` had passed."""
    owner.execute(
        "UPDATE outgoing_deliveries SET due_at = due_at - make_interval(secs => %(by)s),"
        " first_tried_at = first_tried_at - make_interval(secs => %(by)s),"
        " ended_at = ended_at - make_interval(secs => %(by)s)",
        {"by": seconds},
    )


# What a receiver sees


async def test_the_reference_library_verifies_what_comes(
    shop: Shop, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    endpoint = await shop.endpoint(receiver.url)
    await happen(ada.id, note="₹ 100")
    assert await send_some(poster) == 1
    (got,) = receiver.got
    document = standardwebhooks.Webhook(endpoint["secret"]).verify(got.body, got.headers)
    assert document["type"] == "top_up.settled"
    assert document["data"] == {
        "note": "₹ 100",
        "user_id": ada.id,
        "external_id": "customer-1",
        "sequence": 1,
    }
    assert datetime.fromisoformat(document["timestamp"]).tzinfo is not None
    assert got.headers["content-type"] == "application/json; charset=utf-8"
    for wrong in ({"webhook-id": "x"}, {"webhook-timestamp": "1"}, {"webhook-signature": "v1,AAAA"}):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(endpoint["secret"]).verify(got.body, got.headers | wrong)


async def test_while_a_secret_is_replaced_both_verify_and_afterwards_one(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    endpoint = await shop.endpoint(receiver.url)
    where = f"{ENDPOINTS}/{endpoint['id']}/rotate-secret"
    new = (await shop.ask("POST", where, keep_old_seconds=3600)).json()["secret"]
    old = standardwebhooks.Webhook(endpoint["secret"])
    await happen(ada.id)
    await send_some(poster)
    old.verify(receiver.got[0].body, receiver.got[0].headers)
    standardwebhooks.Webhook(new).verify(receiver.got[0].body, receiver.got[0].headers)
    owner.execute("UPDATE webhook_endpoints SET previous_until = now() - interval '1 second'")
    await happen(ada.id)
    await send_some(poster)
    standardwebhooks.Webhook(new).verify(receiver.got[1].body, receiver.got[1].headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        old.verify(receiver.got[1].body, receiver.got[1].headers)


async def test_a_secret_outlives_the_key_of_the_application_that_sealed_it(
    shop: Shop, ada: Person, receiver: Receiver, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await shop.endpoint(receiver.url)
    before = get_settings().secret_key.get_secret_value()
    monkeypatch.setenv("SECRET_KEY", "another key of the application, long enough")
    monkeypatch.setenv("SECRET_KEY_PREVIOUS", before)
    get_settings.cache_clear()
    await happen(ada.id)
    await send_some(poster)
    standardwebhooks.Webhook(endpoint["secret"]).verify(receiver.got[0].body, receiver.got[0].headers)
    # Re-sealed with the current key, it no longer needs the previous one.
    monkeypatch.delenv("SECRET_KEY_PREVIOUS")
    get_settings.cache_clear()
    await happen(ada.id)
    await send_some(poster)
    standardwebhooks.Webhook(endpoint["secret"]).verify(receiver.got[1].body, receiver.got[1].headers)


async def test_an_endpoint_whose_secret_nobody_can_open_gets_nothing_unsigned(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    endpoint = await shop.endpoint(receiver.url)
    owner.execute("UPDATE webhook_endpoints SET sealed_secret = sha256('other') || sha256('other')")
    await happen(ada.id)
    await send_some(poster)
    assert receiver.got == []
    (one,) = await shop.deliveries(endpoint)
    assert one["problem"] == "its secret cannot be opened any more: give it a new one"


# In which order, and how often


async def test_a_later_event_of_an_object_waits_for_the_earlier_one(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    await shop.endpoint(receiver.url)
    receiver.answers(500)
    for place in (1, 2):
        await happen(ada.id, of="top_up:a", place=place)
    assert await send_some(poster) == 1
    receiver.answers(204)
    await happen(ada.id, of="top_up:b", place=3)
    assert [await send_some(poster), await send_some(poster)] == [1, 0], "another object does not wait"
    _let_time_pass(owner, 10)
    assert [await send_some(poster), await send_some(poster)] == [1, 1]
    assert [got.data["place"] for got in receiver.got] == [1, 3, 1, 2]
    sequences = [got.data["sequence"] for got in receiver.got]
    assert sequences[0] == sequences[2] < sequences[3]


async def test_one_that_dies_with_a_delivery_keeps_it_from_nobody_for_long(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    endpoint = await shop.endpoint(receiver.url)
    receiver.answer = None
    await happen(ada.id)
    (taken,) = await take_some(1, Counter())
    dying = asyncio.create_task(send_one(taken, poster))
    await receiver.has(1)
    await end(dying)
    receiver.answers(204)
    assert await send_some(poster) == 0, "until its time is up it may still be on its way"
    _let_time_pass(owner, sender.TAKEN_SECONDS)
    assert await send_some(poster) == 1
    first, second = receiver.got
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    (one,) = await shop.deliveries(endpoint)
    assert (one["state"], len(one["attempts"])) == ("delivered", 1)


# When it is retried, and when it is given up

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_schedule_lasts_for_three_days() -> None:
    for spread in (0.0, 1.0):
        at, tries = BEGAN, []
        while (again := next_try(len(tries) + 1, first_tried_at=BEGAN, now=at, spread=spread)) is not None:
            tries.append(again - at)
            at = again
        assert tries == [wait * (1 + schedule.JITTER * spread) for wait in WAITS]
        assert timedelta(days=2.5) < at - BEGAN <= GIVEN_UP_AFTER


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (timedelta(seconds=1), WAITS[0]),
        (timedelta(minutes=3), timedelta(minutes=3)),
        (timedelta(days=30), MOST_RETRY_AFTER),
    ],
)
def test_an_endpoint_may_ask_for_more_time_within_bounds(asked: timedelta, waited: timedelta) -> None:
    again = next_try(1, first_tried_at=BEGAN, now=BEGAN, retry_after=asked, spread=0)
    assert again == BEGAN + waited


def test_nothing_is_tried_after_three_days_whatever_is_asked_for() -> None:
    late = BEGAN + timedelta(days=2, hours=20)
    assert next_try(2, first_tried_at=BEGAN, now=late, retry_after=timedelta(hours=5)) is None


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> tuple[timedelta, ...]:
    """Shorten the schedule to its first and last wait; its length of three days is proven above."""
    monkeypatch.setattr(schedule, "WAITS", (WAITS[0], WAITS[-1]))
    return schedule.WAITS


async def test_after_three_days_the_endpoint_is_disabled_and_operators_hear_of_it(
    shop: Shop,
    owner: Owner,
    ada: Person,
    receiver: Receiver,
    poster: Poster,
    *,
    waits: tuple[timedelta, ...],
) -> None:
    operator = rows.user(owner, role="operator", email="desk@example.org")
    endpoint = await shop.endpoint(receiver.url)
    receiver.answers(500, b"no")
    for of in ("top_up:a", "top_up:a", "top_up:b"):
        await happen(ada.id, of=of)
    for wait in (timedelta(), *waits):
        _let_time_pass(owner, wait.total_seconds() * (1 + schedule.JITTER) + 1)
        await send_some(poster)
        await send_some(poster)
    view = (await shop.ask("GET", f"{ENDPOINTS}/{endpoint['id']}")).json()
    assert (view["is_enabled"], view["disabled_because"]) == (False, "failing")
    await endpoints.give_up_stranded()
    log = await shop.deliveries(endpoint, state="failed")
    assert [one["problem"] for one in log].count("answered 500") >= 1
    assert len(log) == 3
    where = f"{ENDPOINTS}/{endpoint['id']}"
    whole = [(await shop.ask("GET", f"{where}/deliveries/{one['id']}")).json()["attempts"] for one in log]
    attempts = max(whole, key=len)
    assert len(attempts) == 1 + len(waits)
    assert {(one["status"], one["answer"]) for one in attempts} == {(500, "no")}
    mails = owner.execute("SELECT kind, user_id, recipient FROM outbox_mails").fetchall()
    assert mails == [("endpoint_disabled", operator, "desk@example.org")]
    # Events in the meantime are kept, and can all be sent once the endpoint works again.
    await happen(ada.id, of="top_up:c")
    assert await send_some(poster) == 0
    assert_problem(await shop.ask("POST", f"{where}/redeliver"), 409, "endpoint_disabled")
    receiver.answers(204)
    receiver.got.clear()
    await shop.ask("PATCH", where, is_enabled=True)
    assert (await shop.ask("POST", f"{where}/redeliver")).json() == {"redelivered": 4}
    while await send_some(poster):
        pass
    assert len(receiver.got) == 4
    assert (await shop.deliveries(endpoint, state="failed")) == []
    lines = owner.execute("SELECT detail FROM audit_log WHERE action = 'webhook.all_redelivered'").fetchall()
    assert [json.loads(detail)["deliveries"] for (detail,) in lines] == [4]


async def test_what_one_endpoint_refuses_does_not_disable_it_where_it_takes_others(
    shop: Shop,
    owner: Owner,
    ada: Person,
    receiver: Receiver,
    poster: Poster,
    *,
    waits: tuple[timedelta, ...],
) -> None:
    endpoint = await shop.endpoint(receiver.url)
    receiver.answer_to = lambda got: answer(400 if got.data.get("is_bad") else 204)
    await happen(ada.id, of="top_up:bad", is_bad=True)
    for number, wait in enumerate((timedelta(), *waits)):
        _let_time_pass(owner, wait.total_seconds() * (1 + schedule.JITTER) + 1)
        await happen(ada.id, of=f"top_up:{number}")
        while await send_some(poster):
            pass
    states = Counter(one["state"] for one in await shop.deliveries(endpoint))
    assert states == {"failed": 1, "delivered": 1 + len(waits)}
    assert (await shop.ask("GET", f"{ENDPOINTS}/{endpoint['id']}")).json()["is_enabled"]


async def test_one_that_is_gone_gets_nothing_more_at_once(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    rows.user(owner, role="admin")
    endpoint = await shop.endpoint(receiver.url)
    receiver.answers(410)
    await happen(ada.id)
    await happen(ada.id, of="top_up:2")
    await send_some(poster)
    assert await send_some(poster) == 0
    view = (await shop.ask("GET", f"{ENDPOINTS}/{endpoint['id']}")).json()
    assert view["disabled_because"] == "gone"
    assert owner.execute("SELECT count(*) FROM outbox_mails").fetchone() == (1,)


async def test_what_waits_for_a_disabled_endpoint_is_given_up_a_part_at_a_time(
    shop: Shop, owner: Owner, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, disabling or removing the endpoint writes only one row."""
    endpoint = await shop.endpoint()
    for number in range(5):
        await happen(ada.id, of=f"top_up:{number}")
    monkeypatch.setattr(endpoints, "GIVEN_UP_AT_ONCE", 2)
    assert await endpoints.give_up_stranded() == 0
    assert (await shop.ask("PATCH", f"{ENDPOINTS}/{endpoint['id']}", is_enabled=False)).status_code == 200
    assert (await shop.ask("DELETE", f"{ENDPOINTS}/{endpoint['id']}")).status_code == 204
    assert owner.execute("SELECT DISTINCT state FROM outgoing_deliveries").fetchall() == [("waiting",)]
    assert [await endpoints.give_up_stranded() for _ in range(4)] == [2, 2, 1, 0]
    states = owner.execute("SELECT DISTINCT state, problem FROM outgoing_deliveries").fetchall()
    assert states == [("failed", "the endpoint was disabled")]


async def test_what_is_stranded_is_given_up_while_others_are_sent_to(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver
) -> None:
    endpoint = await shop.endpoint()
    await happen(ada.id)
    await shop.ask("PATCH", f"{ENDPOINTS}/{endpoint['id']}", is_enabled=False)
    await shop.endpoint(receiver.url, event_types=["kyc.changed"])
    await happen(ada.id, type_=EventType.KYC_CHANGED, of="kyc")
    receiver.answer = None
    async with Poster(total_seconds=60) as poster:
        loop = asyncio.create_task(keep_sending_by(poster))
        await receiver.has(1)
        states = owner.execute("SELECT state FROM outgoing_deliveries WHERE object = 'top_up:1'").fetchall()
        await end(loop)
    assert states == [("failed",)]


async def test_a_program_whose_keys_are_all_revoked_is_sent_nothing_until_it_has_one_again(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, poster: Poster
) -> None:
    """The endpoint may have been created by somebody else, with a leaked key."""
    endpoint = await shop.endpoint(receiver.url)
    rotated = rows.api_key(owner, shop.program_id)
    end_key = "UPDATE api_keys SET ends_at = now() WHERE id = %s"
    owner.execute(end_key, (shop.key[4:36],))
    await happen(ada.id)
    assert await send_some(poster) == 1, "one key works, so the program goes on"
    await happen(ada.id, of="top_up:2")
    owner.execute(end_key, (rotated[4:36],))
    await happen(ada.id, of="top_up:3")
    assert await send_some(poster) == 0
    assert owner.execute("SELECT state FROM outgoing_deliveries WHERE object = 'top_up:3'").fetchall() == [
        ("failed",)
    ]
    assert await endpoints.give_up_stranded() == 1
    shop.key = rows.api_key(owner, shop.program_id)
    assert await send_some(poster) == 0, "what it missed is sent where the program asks for it"
    await happen(ada.id, of="top_up:4")
    assert await send_some(poster) == 1
    again = await shop.ask("POST", f"{ENDPOINTS}/{endpoint['id']}/redeliver")
    assert again.json() == {"redelivered": 2}
