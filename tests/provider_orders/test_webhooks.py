"""Stored webhooks: listed, shown in plain text, and replayed by reading their order again."""

import base64
import json
from datetime import UTC, datetime

import pytest

from onramp_app.domain.errors import NotFound
from onramp_app.fleet import changed_people
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.provider_orders.walks import handle_events
from onramp_app.provider_orders.webhooks import list_events, replay_event, show_event
from tests import rows
from tests.desk import Desk, store_webhook

ORDER = {"orderId": 77, "status": 4, "fiatType": 1, "createdAt": "2026-03-01T06:25:17.000Z"}


def _header(**body: object) -> bytes:
    signed = {"timestamp": 1772349917000, "body": {**ORDER, **body}}
    return base64.b64encode(json.dumps(signed).encode())


async def test_the_newest_come_first_and_those_of_one_order_alone(desk: Desk) -> None:
    ids = [store_webhook(desk.books, _header(turn=n), order_id=str(n % 2)) for n in range(5)]
    assert [event.id for event in await list_events(limit=3)] == ids[:1:-1]
    assert [event.id for event in await list_events(limit=50, order_id="1")] == [ids[3], ids[1]]
    assert await list_events(limit=50, order_id="\x00") == []


async def test_one_is_shown_with_its_header_decoded_and_whatever_bytes_its_body_has(desk: Desk) -> None:
    event_id = store_webhook(desk.books, _header(), order_id="77", body=b"\xff{}")
    found = await show_event(event_id)
    assert json.loads(found.header)["body"] == ORDER
    assert found.body == "\\xff{}"
    assert (found.kind, found.is_content_signed) == ("onramp", True)
    assert found.signed_at == datetime(2026, 3, 1, 7, 25, 17, tzinfo=UTC)
    assert (found.line.order_id, found.line.secret) == ("77", "current")


async def test_a_replay_makes_an_order_due_that_nobody_has_read(desk: Desk) -> None:
    event_id = store_webhook(desk.books, _header(), order_id="77")
    done = await replay_event(event_id, mandate=desk.mandate)
    assert (done.flow, done.order_id, done.replays) == ("buy", "77", 1)
    (order,) = desk.books.owner.execute(
        "SELECT environment, flow, order_id, fiat_type, ordered_at, version, due_at <= now()"
        " FROM provider_orders"
    ).fetchall()
    ordered_at = datetime(2026, 3, 1, 6, 25, 17, tzinfo=UTC)
    assert order == ("simulator", "buy", "77", 1, ordered_at, 0, True)


async def test_what_was_kept_is_not_translated_again(desk: Desk) -> None:
    event_id = store_webhook(desk.books, _header(), order_id="77")
    desk.books.owner.execute("UPDATE webhook_events SET header = 'e30=', body = '', fiat_type = 7")
    assert await handle_events() == 1
    (order,) = desk.books.owner.execute("SELECT order_id, fiat_type FROM provider_orders").fetchall()
    assert order == ("77", 7)
    assert (await show_event(event_id)).kind == "onramp"


async def test_replaying_again_reads_again_and_moves_no_money(desk: Desk) -> None:
    top_up_id, delivery = await desk.settled()
    event_id = store_webhook(desk.books, _header(), order_id=delivery.order_id)
    desk.books.owner.execute("UPDATE provider_orders SET read_failures = 10")
    before = (desk.books.accounts(), desk.books.count("ledger_transfers"), desk.open_kinds())
    for turn in (1, 2, 3):
        assert (await replay_event(event_id, mandate=desk.mandate)).replays == turn
        row = desk.books.owner.execute(
            "SELECT due_at <= now(), read_failures, version, applied_version, top_up_id FROM provider_orders"
        ).fetchall()
        assert row == [(True, 0, 1, 1, top_up_id)]
    assert (desk.books.accounts(), desk.books.count("ledger_transfers"), desk.open_kinds()) == before
    assert desk.audit() == [(desk.operator_id, "webhooks.replay", str(event_id))] * 3
    (event,) = await list_events(limit=1)
    assert event.replays == 3
    assert event.replayed_at is not None


async def test_a_replay_says_from_when_to_read_although_the_order_is_known(desk: Desk) -> None:
    """The order's row came from an unsigned body with neither a date nor a person."""
    owner, user_id = desk.books.owner, desk.books.user()
    top_up_id = rows.top_up(owner, user_id, status="expired")
    recognition_id = rows.widget_session(owner, top_up_id)
    owner.execute(
        "INSERT INTO provider_orders (id, environment, provider, flow, order_id, first_seen_at, version,"
        " applied_version, read_failures) VALUES (%s, 'simulator', 'onramp', 'buy', '77', now(), 0, 0, 11)",
        ("c" * 32,),
    )
    owner.execute("LISTEN user_changed")
    header = _header(merchantRecognitionId=recognition_id)
    await replay_event(store_webhook(desk.books, header, order_id="77"), mandate=desk.mandate)
    (order,) = owner.execute(
        "SELECT ordered_at, fiat_type, hinted_top_up_id, read_failures, due_at <= now() FROM provider_orders"
    ).fetchall()
    assert order == (datetime(2026, 3, 1, 6, 25, 17, tzinfo=UTC), 1, top_up_id, 0, True)
    await changed_people.close()
    assert [one.payload for one in owner.notifies(timeout=10, stop_after=1)] == [user_id]


async def test_what_names_no_order_or_is_not_there_is_refused(desk: Desk) -> None:
    event_id = store_webhook(desk.books, base64.b64encode(b"{}"), order_id=None)
    with pytest.raises(ActionNotPossible, match="names no order"):
        await replay_event(event_id, mandate=desk.mandate)
    for unknown in (0, -1, event_id + 1, 2**70):
        with pytest.raises(NotFound):
            await show_event(unknown)
        with pytest.raises(NotFound):
            await replay_event(unknown, mandate=desk.mandate)
    assert desk.books.count("provider_orders") == 0


async def test_what_could_not_be_applied_is_applied_at_once_after_a_replay(desk: Desk) -> None:
    """Otherwise it would wait for its next turn, up to ten minutes later."""
    _, delivery = await desk.settled()
    event_id = store_webhook(desk.books, _header(), order_id=delivery.order_id)
    desk.books.owner.execute("UPDATE provider_orders SET apply_after = now() + interval '10 minutes'")
    await replay_event(event_id, mandate=desk.mandate)
    assert desk.books.owner.execute("SELECT apply_after FROM provider_orders").fetchall() == [(None,)]
