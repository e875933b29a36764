"""Events are written with their cause or not at all, once, and only for programs that may receive them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, text

from onramp_app.accounts.words import KycStatus, KycTier
from onramp_app.db import engine
from onramp_app.db.engine import execute, transaction
from onramp_app.outgoing_webhooks import events
from onramp_app.outgoing_webhooks.events import Happening
from onramp_app.outgoing_webhooks.words import EventType
from onramp_app.review.decisions import decide
from onramp_app.running import retention
from onramp_app.top_ups.transitions import Action
from onramp_app.verification.decisions import set_standing
from onramp_app.verification.machine import Standing
from tests import rows
from tests.debits.shop import PROGRAM
from tests.debits.shop import Shop as Debits
from tests.desk import Desk
from tests.outgoing_webhooks.conftest import Shop, happen
from tests.rows import Owner


@pytest.fixture
def debits(desk: Desk) -> Debits:
    """The program `shop`, with an endpoint for every event type."""
    rows.keyless_program(desk.books.owner, PROGRAM)
    rows.webhook_endpoint(desk.books.owner, PROGRAM)
    return Debits(desk.books)


def _written(owner: Owner) -> list[tuple[str, dict[str, Any]]]:
    found = owner.execute("SELECT type, data FROM outgoing_events ORDER BY sequence").fetchall()
    return [(type_, json.loads(data)) for type_, data in found]


def _types(owner: Owner) -> list[str]:
    return [type_ for type_, _ in _written(owner)]


@contextmanager
def _statements() -> Iterator[list[str]]:
    """Collect the statements sent to the database, except those that begin and end transactions."""
    sent: list[str] = []
    pool = engine._get_pool().engine.sync_engine

    def keep(_c: Any, _d: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(pool, "before_cursor_execute", keep)
    yield sent
    event.remove(pool, "before_cursor_execute", keep)


# What causes them


async def test_each_decision_about_a_top_up_is_told(desk: Desk, debits: Debits) -> None:
    user_id = debits.known()
    top_up_id, _ = await desk.held(1_500_000_000_000_000_000, user_id=user_id)
    for action in (Action.RELEASE, Action.REVERSE, Action.UNDO_REVERSE):
        await decide(top_up_id, action, mandate=desk.mandate)
    written = _written(desk.books.owner)
    assert [type_ for type_, _ in written] == ["top_up.settled", "top_up.reversed", "top_up.settled"]
    first = written[0][1]
    assert (
        first
        | {
            "id": top_up_id,
            "user_id": user_id,
            "external_id": f"customer-{user_id[-6:]}",
            "status": "settled",
            "charged": "yes",
            "fiat": {"amount": "1000", "currency": "INR"},
            "asset": "USDT",
            "received_amount": "1.5",
        }
        == first
    )
    assert first["settled_at"].endswith("Z")
    deliveries = desk.books.owner.execute(
        "SELECT state, object FROM outgoing_deliveries ORDER BY sequence"
    ).fetchall()
    assert deliveries == [("waiting", f"top_up:{top_up_id}")] * 3


async def test_debits_are_told_to_the_program_that_made_them(desk: Desk, debits: Debits) -> None:
    user_id = await debits.person(100)
    rows.keyless_program(desk.books.owner, "other", knows=user_id)
    rows.webhook_endpoint(desk.books.owner, "other")
    made = await debits.debit(user_id, 30, description="Two coffees")
    assert (await debits.debit(user_id, 30, description="Two coffees")) == made
    await debits.move(made, "reverse", 10)
    held = await debits.hold(user_id, 20, "o-2")
    await debits.move(held, "capture", reference="m-2")
    found = desk.books.owner.execute("SELECT type, program_id, data FROM outgoing_events ORDER BY sequence")
    told = [(type_, whose, json.loads(data)["reversed_amount"]) for type_, whose, data in found]
    assert told == [
        ("debit.created", PROGRAM, "0"),
        ("debit.reversed", PROGRAM, "10"),
        ("debit.created", PROGRAM, "0"),
    ]
    assert "coffees" not in json.dumps(_written(desk.books.owner)), "what people wrote is not repeated"


async def test_a_balance_is_told_low_once_and_again_after_it_had_risen(desk: Desk, debits: Debits) -> None:
    user_id = await debits.person(100)
    desk.books.owner.execute("UPDATE program_users SET low_asset = 'USDT', low_minor = %s", (50 * 10**18,))
    for number, amount in enumerate((50, 1, 1)):  # exactly at it, below, and still below
        await debits.debit(user_id, amount, f"o-{number}")
    await debits.top_up(user_id, 10)
    await debits.hold(user_id, 10, "o-7")  # below again
    await debits.debit(user_id, 1, "o-8", asset="USDT")
    low = [data for type_, data in _written(desk.books.owner) if type_ == "balance.low"]
    assert [(one["available"], one["threshold"], one["asset"]) for one in low] == [
        ("49", "50", "USDT"),
        ("48", "50", "USDT"),
    ]


async def test_a_verification_is_told_with_no_word_of_who_decided(desk: Desk, debits: Debits) -> None:
    user_id = debits.known()
    email = f"{user_id}@example.org"
    basic = Standing(KycStatus.APPROVED, KycTier.BASIC)
    await set_standing(email, basic, mandate=desk.mandate)
    ((type_, data),) = _written(desk.books.owner)
    assert (type_, data["status"], data["tier"]) == ("kyc.changed", "approved", "basic")
    assert set(data) == {"status", "tier", "user_id", "external_id"}


# For whom they are written


async def test_an_endpoint_hears_of_what_it_asked_for_and_of_its_own_people(desk: Desk) -> None:
    owner = desk.books.owner
    user_id = desk.books.user()
    for name, knows in (("all", user_id), ("some", user_id), ("strange", None)):
        rows.keyless_program(owner, name, knows=knows)
    for name, types in (("all", []), ("all", ["kyc.changed"]), ("some", ["debit.created"]), ("strange", [])):
        rows.webhook_endpoint(owner, name, event_types=types)
    await happen(user_id)
    await happen(user_id, of="kyc", type_=EventType.KYC_CHANGED)
    told = owner.execute(
        "SELECT v.type, e.program_id, e.event_types FROM outgoing_deliveries d"
        " JOIN outgoing_events v ON v.id = d.event_id JOIN webhook_endpoints e ON e.id = d.endpoint_id"
        " ORDER BY d.sequence, e.event_types"
    ).fetchall()
    assert told == [
        ("top_up.settled", "all", []),
        ("kyc.changed", "all", []),
        ("kyc.changed", "all", ["kyc.changed"]),
    ]
    assert owner.execute("SELECT count(*) FROM outgoing_events").fetchone() == (2,)


async def test_a_disabled_endpoint_keeps_what_it_misses(desk: Desk) -> None:
    owner, user_id = desk.books.owner, desk.books.user()
    rows.keyless_program(owner, PROGRAM, knows=user_id)
    rows.webhook_endpoint(owner, PROGRAM, disabled_at=datetime.now(UTC), disabled_because="program")
    await happen(user_id)
    assert owner.execute("SELECT state, problem FROM outgoing_deliveries").fetchall() == [
        ("failed", "the endpoint was disabled")
    ]


# Atomic with the cause, and free if nobody listens


class _Undone(Exception):
    pass


async def _cause(owner: Owner, user_id: str, *, fails: bool) -> tuple[bool, bool]:
    """Change something and note an event. Returns whether the change and the event were committed."""
    try:
        async with transaction() as db:
            await execute(db, text("UPDATE users SET display_name = 'New' WHERE id = :id"), {"id": user_id})
            events.note(db, Happening(EventType.KYC_CHANGED, "kyc", user_id, lambda _: {}))
            if fails:
                raise _Undone
    except _Undone:
        pass
    changed = owner.execute("SELECT display_name = 'New' FROM users WHERE id = %s", (user_id,)).fetchone()
    return changed[0], bool(_written(owner))


@pytest.mark.parametrize("fails", [False, True])
async def test_an_event_is_there_exactly_where_its_cause_is(desk: Desk, debits: Debits, fails: bool) -> None:
    user_id = debits.known()
    assert await _cause(desk.books.owner, user_id, fails=fails) == (not fails, not fails)


async def test_control_written_apart_it_is_there_without_its_cause(
    desk: Desk, debits: Debits, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = debits.known()
    happenings: list[Happening] = []
    monkeypatch.setattr(events, "note", lambda _db, happening: happenings.append(happening))
    is_changed, _ = await _cause(desk.books.owner, user_id, fails=True)
    monkeypatch.undo()
    async with transaction() as db:
        events.note(db, happenings[0])
    assert (is_changed, _types(desk.books.owner)) == (False, ["kyc.changed"])


async def test_where_nobody_has_an_endpoint_fifty_events_cost_one_look(desk: Desk) -> None:
    user_id = desk.books.user()
    rows.keyless_program(desk.books.owner, PROGRAM, knows=user_id)

    async def fifty() -> int:
        with _statements() as sent:
            async with transaction() as db:
                for number in range(50):
                    of = f"top_up:{number}"
                    events.note(db, Happening(EventType.TOP_UP_SETTLED, of, user_id, lambda _: {}))
        return len(sent)

    assert await fifty() == 1
    rows.webhook_endpoint(desk.books.owner, PROGRAM)
    assert await fifty() == 3, "who, the scales of assets, and all of it by one statement"
    assert desk.books.count("outgoing_deliveries") == 50


# Until when they are written


async def test_what_names_a_program_is_written_while_it_makes_an_endpoint(shop: Shop) -> None:
    """Crediting writes events, whose foreign key locks the program's row."""
    with _statements() as sent:
        await shop.endpoint()
    (locks,) = [one for one in sent if "FOR " in one and "FROM programs" in one.replace("\n", " ")]
    assert locks.rstrip().endswith("FOR NO KEY UPDATE")


async def test_old_events_go_with_their_log_and_what_waits_stays(desk: Desk, debits: Debits) -> None:
    owner, user_id = desk.books.owner, debits.known()
    for number in range(4):
        await happen(user_id, of=f"top_up:{number}")
    owner.execute(
        "UPDATE outgoing_events SET created_at = now() - interval '91 days' WHERE object <> 'top_up:3'"
    )
    for state, object_ in (("delivered", "top_up:0"), ("failed", "top_up:1"), ("delivered", "top_up:3")):
        owner.execute(
            "UPDATE outgoing_deliveries SET state = %s, ended_at = now() WHERE object = %s", (state, object_)
        )
    owner.execute(
        "INSERT INTO outgoing_attempts (delivery_id, number, at, took_ms)"
        " SELECT id, 1, now(), 1 FROM outgoing_deliveries"
    )
    assert await retention.purge() == {"outgoing_events": 2}
    left = owner.execute("SELECT object FROM outgoing_deliveries ORDER BY object").fetchall()
    assert left == [("top_up:2",), ("top_up:3",)]
    assert desk.books.count("outgoing_attempts") == 2
