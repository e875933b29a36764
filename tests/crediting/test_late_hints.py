"""A webhook for an order older than the regular reads: found by its date, or handed to an operator."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from onramp_app.db.engine import transaction
from onramp_app.domain.clock import now
from onramp_app.fleet import changed_people
from onramp_app.provider_orders import hints
from onramp_app.provider_orders import walks as reading
from onramp_app.provider_orders.walks import due_walks, handle_events, make_walks
from onramp_app.providers.port import HistoryPage, ProviderOrder
from onramp_app.providers.status import Flow
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.views import TopUpView, view_of
from onramp_app.web.activity.story_words import story_of_top_up
from tests import rows, stored_webhooks
from tests.crediting.reads import apply_all, order_of, recognition_id
from tests.crediting.test_scenarios import delivered_of
from tests.crediting.world import World

LONG_AGO = timedelta(days=45)


class ListingProvider:
    """A provider stub that lists orders created since a given time, `size` to a page."""

    def __init__(self, *orders: ProviderOrder, size: int = 500) -> None:
        self.orders, self.size, self.pages = orders, size, 0

    async def history(
        self, *, flow: Flow, fiat_type: int, since: Any, is_newest_first: bool, first_page: int = 1
    ) -> Any:
        listed = [one for one in self.orders if one.fiat_type == fiat_type and one.created_at >= since]
        listed.sort(key=lambda one: one.created_at, reverse=is_newest_first)
        for first in range(0, len(listed), self.size):
            self.pages += 1
            yield HistoryPage(first // self.size + 1, tuple(listed[first : first + self.size]), ())


def hint(world: World, order: ProviderOrder) -> None:
    store(world, order.raw)


def store(world: World, body: str, *, header: bytes = b"{}") -> None:
    stored_webhooks.store(world.owner, header, body=body.encode())


async def notified(world: World) -> set[str]:
    """Return the ids of the users notified since the last call. The test must run LISTEN first."""
    await changed_people.close()
    notices = world.owner.notifies(timeout=0.2, stop_after=1)
    return {user_id for notice in notices for user_id in notice.payload.split(",")}


async def read_due(provider: ListingProvider) -> None:
    await handle_events()
    await make_walks(provider, await due_walks())  # type: ignore[arg-type]
    await apply_all()


async def view(top_up_id: str) -> TopUpView:
    async with transaction() as db:
        return await view_of(db, await db.get_one(TopUp, top_up_id), at=now())


async def charged(top_up_id: str) -> str:
    return (await view(top_up_id)).charged


@pytest.fixture
def old(world: World) -> Any:
    """A canceled top-up from 45 days ago, and the fields of its order's record."""
    at = now() - LONG_AGO
    top_up = world.top_up(world.user(), status="canceled", created_at=at, updated_at=at)
    for status in ("created", "canceled"):
        rows.step(world.owner, top_up, at=at, act=status, status=status)
    fields = {"merchantRecognitionId": recognition_id(world, top_up), "createdAt": at.isoformat()}
    return top_up, fields


@pytest.mark.parametrize("without", [None, "createdAt", "merchantRecognitionId"])
async def test_a_webhook_for_an_order_of_45_days_ago_settles_it_at_once(
    world: World, old: Any, without: str | None
) -> None:
    top_up, fields = old
    hint(world, order_of(1, 4, **{**fields, **({without: None} if without else {})}))
    await read_due(ListingProvider(order_of(1, 4, **fields)))
    assert world.state(top_up)["status"] == "settled"
    assert world.open_cases() == []


async def test_unsigned_bodies_beside_the_signed_event_do_not_change_from_when_it_is_read(
    world: World, old: Any
) -> None:
    top_up, fields = old
    order = order_of(1, 4, **fields)
    store(world, "{}", header=json.dumps({"timestamp": 1, "body": json.loads(order.raw)}).encode())
    hint(world, order_of(1, 4, createdAt=now().isoformat(), fiatType=2))
    hint(world, order_of(1, 4, createdAt=None, fiatType=None))
    await read_due(ListingProvider(order))
    assert world.state(top_up)["status"] == "settled"


async def test_an_order_of_45_days_ago_is_settled_within_seconds_of_its_webhook(
    world: World, old: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP: delivered today, and found only by the signed webhook, which dates it 45 days back."""
    top_up, _ = old
    monkeypatch.setenv("ONRAMP_POLL_SECONDS", "3600")
    world.simulator.scenario("begun_long_ago", value=LONG_AGO.days)
    order = world.open_order(top_up)
    async with world.running():
        await world.until(lambda: world.rows("SELECT FROM history_walks WHERE fiat_type = 1"))
        assert not world.rows("SELECT FROM provider_orders")  # It is older than the regular reads.
        world.simulator.move(order, 4)
        await world.ends(top_up, "settled", seconds=10)
    assert world.balance(world.state(top_up)["user_id"]) == (delivered_of(world, order), 0)
    assert world.open_cases() == []
    (event,) = world.rows("SELECT header FROM webhook_events")
    created = datetime.fromisoformat(json.loads(base64.b64decode(event["header"]))["body"]["createdAt"])
    assert LONG_AGO <= now() - created < LONG_AGO + timedelta(minutes=5)
    assert [step.title for step in story_of_top_up(await view(top_up)).steps] == [
        "Top-up created",
        "Canceled by you",
        "Your late payment has arrived",
    ]


async def test_orders_on_the_third_of_pages_that_are_capped_at_20_are_settled_by_reading(
    world: World,
) -> None:
    world.simulator.scenario("short_pages", times=None)
    world.simulator.scenario("lost_webhook", times=None)
    others, top_up = (world.top_up(world.user()) for _ in range(2))
    for _ in range(41):
        world.open_order(others)
    order = world.open_order(top_up)
    async with world.running():
        world.simulator.move(order, 4)
        await world.ends(top_up, "settled", seconds=10)
    assert world.one("SELECT count(*) FROM provider_orders") == 42
    assert world.balance(world.state(top_up)["user_id"]) == (delivered_of(world, order), 0)


async def test_a_hint_that_comes_to_nothing_becomes_a_case_and_the_person_reads_that_we_look(
    world: World, old: Any
) -> None:
    top_up, fields = old
    order = order_of(1, 4, **fields)
    hint(world, order)
    assert await charged(top_up) == "no"
    nobody = ListingProvider()
    for turn in range(hints.MAX_REREADS + 1):
        assert world.open_cases() == []
        await read_due(nobody)
        assert await charged(top_up) == "unknown", turn
        world.run("UPDATE provider_orders SET due_at = now() WHERE due_at IS NOT NULL")
    assert world.rows("SELECT kind, top_up_id FROM exceptions") == [
        {"kind": "not_found", "top_up_id": top_up}
    ]
    assert await due_walks() == []
    world.run("UPDATE exceptions SET closed_at = now(), closed_by = 'operator', close_reason = 'refunded'")
    assert await charged(top_up) == "no"
    hint(world, order_of(1, 4, **fields, again=True))
    await read_due(ListingProvider(order))
    assert (world.state(top_up)["status"], world.open_cases()) == ("settled", [])


async def test_pages_learn_when_a_payment_is_looked_for_and_when_that_becomes_a_case(
    world: World, old: Any
) -> None:
    """Including an open top-up, whose page says "not charged" until the first read finds nothing."""
    canceled, fields = old
    waiting = world.top_up(world.user())
    recent = {"merchantRecognitionId": recognition_id(world, waiting), "createdAt": now().isoformat()}
    people = {top_up: {world.state(top_up)["user_id"]} for top_up in (canceled, waiting)}
    world.run("LISTEN user_changed")
    hint(world, order_of(1, 4, **fields))
    await handle_events()
    assert await notified(world) == people[canceled]
    hint(world, order_of(2, 4, **recent))
    await handle_events()
    assert await notified(world) == set()
    walks = await due_walks()
    await make_walks(ListingProvider(), walks)  # type: ignore[arg-type]
    assert await notified(world) == people[canceled] | people[waiting]
    assert await charged(waiting) == "unknown"
    for _ in range(hints.MAX_REREADS - 1):
        world.run("UPDATE provider_orders SET due_at = now() WHERE due_at IS NOT NULL")
        await make_walks(ListingProvider(), walks)  # type: ignore[arg-type]
    assert await notified(world) == set()
    world.run("UPDATE provider_orders SET due_at = now() WHERE due_at IS NOT NULL")
    await make_walks(ListingProvider(), walks)  # type: ignore[arg-type]
    assert await notified(world) == people[canceled] | people[waiting]
    assert world.open_cases() == ["not_found"] * 2


NAMELESS = [
    {"eventType": "onramp", "status": 4},
    {"orderId": None, "status": 4},
    {"orderId": "", "eventType": "onramp"},
    {"orderId": "7" * 65, "status": 4},
    {"orderId": {"id": 7}, "status": 4},
]


async def test_a_purchase_without_an_order_that_can_be_read_is_one_case_however_often_it_comes(
    world: World,
) -> None:
    for event in NAMELESS:
        store(world, "{}", header=json.dumps({"timestamp": 1, "body": event}).encode())
        store(world, json.dumps(event))  # The signed header may contain only the time.
        assert await handle_events() == 2
        assert world.open_cases() == ["not_found"], event
        world.run("UPDATE exceptions SET closed_at = now(), closed_by = 'o', close_reason = 'an example'")
    cases = world.rows("SELECT top_up_id, provider_order_id, detail FROM exceptions")
    assert len(cases) == len(NAMELESS)
    assert {(one["top_up_id"], one["provider_order_id"]) for one in cases} == {(None, None)}
    first = world.one("SELECT min(id) FROM webhook_events")
    assert f"webhook {first} tells of a purchase and names no order" in min(one["detail"] for one in cases)


async def test_what_tells_of_no_purchase_is_no_case(world: World) -> None:
    for event in ({"eventType": "kyc", "referenceId": "p1"}, {"eventType": "offramp"}, {}, {"status": 4}):
        store(world, "{}", header=json.dumps({"timestamp": 1, "body": event}).encode())
    assert await handle_events() == 4
    assert world.open_cases() == []


async def test_an_unread_list_and_an_unknown_currency_become_cases_too(world: World) -> None:
    hint(world, order_of(7, 4, fiatType=None))
    for _ in range(hints.MAX_REREADS + 1):
        await read_due(ListingProvider())
        world.run("UPDATE provider_orders SET due_at = now() WHERE due_at IS NOT NULL")
    assert world.open_cases() == ["not_found"]


@pytest.mark.parametrize("fiat_type", [1, None], ids=["named", "any"])
async def test_a_made_up_date_costs_so_many_pages_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch, fiat_type: int | None
) -> None:
    """Without a fiat type the order may be in any list in use, of which only a few are walked."""
    monkeypatch.setattr(reading, "MOST_PAGES_BACK", 3)
    at, in_use = (now() - timedelta(days=400)).isoformat(), range(1, reading.MOST_WALKS_BACK + 4)
    for listed in in_use:
        world.top_up(world.user(), fiat_type=listed)
    for number in range(20):
        hint(world, order_of(10_000 + number, 4, createdAt="2001-01-01T00:00:00Z", fiatType=fiat_type))
    orders = (order_of(number, 0, createdAt=at, fiatType=listed) for listed in in_use for number in range(20))
    provider = ListingProvider(*orders, size=1)
    await read_due(provider)
    assert provider.pages == reading.MOST_WALKS_BACK * reading.MOST_PAGES_BACK
