"""Webhooks that an earlier version stored without a translation are still read, shown and replayed."""

import base64
import json
from datetime import UTC, datetime

import psycopg
import pytest

from onramp_app.db.migrate import downgrade, migrate
from onramp_app.domain.clock import now
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.provider_orders.walks import handle_events
from onramp_app.provider_orders.webhooks import list_events, replay_event, show_event
from tests import rows
from tests.desk import Desk

BEFORE = "0016"
AT = datetime(2026, 3, 1, 6, 25, 17, tzinfo=UTC)
SIGNED_AT = datetime(2026, 3, 1, 7, 25, 17, tzinfo=UTC)
ORDER = {
    "status": 4,
    "fiatType": 2,
    "createdAt": "2026-03-01T06:25:17.000Z",
    "merchantRecognitionId": "r" * 32,
}
TIME_ALONE = {"timestamp": 1772349917000}
KINDS = {
    "signed": (json.dumps({**TIME_ALONE, "body": {"orderId": 1, **ORDER}}), "", "buy", "1"),
    "unsigned": (json.dumps(TIME_ALONE), json.dumps({"orderId": 2, **ORDER}), "buy", "2"),
    "sale": (json.dumps({"eventType": "offramp", "orderId": 3, **ORDER}), "", "sell", "3"),
    "envelope": (
        json.dumps(TIME_ALONE),
        json.dumps(
            {"referenceId": "4", "eventType": "ONRAMP", "status": "TRADE COMPLETED", "metadata": ORDER}
        ),
        "buy",
        "4",
    ),
    "person": (
        json.dumps(TIME_ALONE),
        '{"referenceId": "p", "eventType": "kyc", "status": "IN_REVIEW"}',
        None,
        None,
    ),
    "nameless": (json.dumps(TIME_ALONE), '{"eventType": "onramp"}', None, None),
    "no JSON": ("\x00{", "[[", None, None),
}


def _store(
    owner: psycopg.Connection, *, header: str, body: str, flow: str | None, order_id: str | None
) -> int:
    return owner.execute(
        "INSERT INTO webhook_events (environment, header, body, received_at, secret, is_old, differs, flow,"
        " order_id) VALUES ('simulator', %s, %s, %s, 'current', false, false, %s, %s) RETURNING id",
        (base64.b64encode(header.encode()), body.encode(), now(), flow, order_id),
    ).fetchone()[0]


@pytest.fixture
def stored(database: str, desk: Desk) -> dict[str, int]:
    """The ids of the rows, in a database that was migrated after they were stored."""
    downgrade(database, BEFORE)
    names = ("header", "body", "flow", "order_id")
    with psycopg.connect(database, autocommit=True) as owner:
        numbers = {
            kind: _store(owner, **dict(zip(names, columns, strict=True))) for kind, columns in KINDS.items()
        }
    migrate(database)
    return numbers


async def test_those_that_wait_make_their_orders_due_and_a_nameless_one_is_a_case(
    desk: Desk, stored: dict[str, int]
) -> None:
    owner = desk.books.owner
    top_up_id = rows.top_up(owner, desk.books.user(), fiat_type=2)
    rows.widget_session(owner, top_up_id, recognition_id="r" * 32)
    assert await handle_events() == len(KINDS)
    due = owner.execute(
        "SELECT flow, order_id, fiat_type, ordered_at, hinted_top_up_id FROM provider_orders"
        " ORDER BY order_id"
    ).fetchall()
    assert due == [
        (flow, order_id, 2, AT, top_up_id)
        for flow, order_id in (("buy", "1"), ("buy", "2"), ("sell", "3"), ("buy", "4"))
    ]
    (detail,) = owner.execute("SELECT detail FROM exceptions").fetchone()
    assert f"webhook {stored['nameless']} tells of a purchase" in detail


async def test_one_that_was_acted_on_is_replayed(desk: Desk, stored: dict[str, int]) -> None:
    desk.books.owner.execute("UPDATE webhook_events SET handled_at = now()")
    await replay_event(stored["unsigned"], mandate=desk.mandate)
    due = desk.books.owner.execute("SELECT order_id, fiat_type, ordered_at FROM provider_orders").fetchall()
    assert due == [("2", 2, AT)]
    with pytest.raises(ActionNotPossible):
        await replay_event(stored["person"], mandate=desk.mandate)


async def test_all_are_shown_as_what_they_are_and_the_version_before_finds_its_rows_again(
    database: str, stored: dict[str, int]
) -> None:
    assert [event.order_id for event in await list_events(limit=9)] == [None] * 3 + ["4", "3", "2", "1"]
    found = {kind: await show_event(number) for kind, number in stored.items()}
    assert {
        kind: (one.kind, one.status, one.signed_at, one.is_content_signed) for kind, one in found.items()
    } == {
        "signed": ("onramp", "4", SIGNED_AT, True),
        "unsigned": ("onramp", "4", SIGNED_AT, False),
        "sale": ("offramp", "4", None, True),
        "envelope": ("onramp", "TRADE COMPLETED", SIGNED_AT, False),
        "person": ("kyc", "IN_REVIEW", SIGNED_AT, False),
        "nameless": ("onramp", None, SIGNED_AT, False),
        "no JSON": ("unknown", None, None, False),
    }
    downgrade(database, BEFORE)
    with psycopg.connect(database) as owner:
        query = "SELECT id, flow, order_id, error FROM webhook_events ORDER BY id"
        assert owner.execute(query).fetchall() == [
            (stored[kind], flow, order_id, None) for kind, (_, _, flow, order_id) in KINDS.items()
        ]
    migrate(database)  # The books are verified after the test, which needs the current schema.
