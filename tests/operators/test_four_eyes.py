"""Above `FOUR_EYES_ABOVE` one operator proposes and another confirms exactly that, never their own."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from onramp_app.__main__ import app
from onramp_app.accounts.words import Role
from onramp_app.cases.words import CaseKind
from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.domain.errors import Forbidden, NotFound
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import SecondOperatorNeeded
from onramp_app.operators.mandate import Mandate
from onramp_app.operators.roles import grant_role
from onramp_app.programs import issuing
from onramp_app.programs.powers import Powers
from onramp_app.review.attribution import attribute
from onramp_app.review.decisions import decide
from onramp_app.review.waiting import close_case
from onramp_app.top_ups.transitions import Action
from onramp_app.treasury.counts import Count, compare
from tests import rows
from tests.desk import REASON, Desk, unknown_id

USDT = 10**18
Deciding = Callable[[Mandate], Awaitable[Any]]


@pytest.fixture
def hundred_dollars(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> Desk:
    """A desk where amounts above 100 dollars need two operators; only USDT has a rate, of one dollar."""
    monkeypatch.setenv("FOUR_EYES_ABOVE", '{"currency": "USD", "amount": "100"}')
    get_settings.cache_clear()
    for symbol in ("USDT", "USD"):
        desk.books.owner.execute("INSERT INTO exchange_rates VALUES ('simulator', %s, 1, now())", (symbol,))
    return desk


async def _proposed(decision: Deciding, mandate: Mandate) -> str:
    with pytest.raises(SecondOperatorNeeded) as needed:
        await decision(mandate)
    return needed.value.proposal


def _release(top_up_id: str) -> Deciding:
    return lambda mandate: decide(top_up_id, Action.RELEASE, mandate=mandate)


async def test_what_is_worth_more_waits_for_another_operator(hundred_dollars: Desk) -> None:
    desk, other = hundred_dollars, hundred_dollars.operator()
    top_up_id, _ = await desk.held(100 * USDT + 1)
    accounts, state = desk.books.accounts(), desk.top_up(top_up_id)
    first = desk.mandate
    proposal = await _proposed(_release(top_up_id), first)
    assert (desk.books.accounts(), desk.top_up(top_up_id)) == (accounts, state), "nothing was done"
    assert desk.timeline(top_up_id) == []
    assert desk.audit() == [(desk.operator_id, "review.release.proposed", top_up_id)]
    with pytest.raises(Forbidden, match="This code is not good"):
        await decide(top_up_id, Action.RELEASE, mandate=first)
    await decide(top_up_id, Action.RELEASE, mandate=desk.mandate_of(other, confirms=proposal))
    assert desk.top_up(top_up_id)[0] == "settled"
    assert desk.audit()[1:] == [(other, "review.release", top_up_id)]
    (detail,) = desk.books.owner.execute(
        "SELECT detail FROM audit_log WHERE action = 'review.release'"
    ).fetchone()
    recorded = json.loads(detail)
    assert (recorded["proposal"], recorded["proposed_by"], recorded["proposed_because"]) == (
        proposal,
        desk.operator_id,
        REASON,
    )
    transfer = "SELECT actor FROM ledger_transfers WHERE kind = 'release'"
    assert desk.books.owner.execute(transfer).fetchall() == [(other,)]


async def test_what_is_not_worth_more_is_one_operators_to_decide(hundred_dollars: Desk) -> None:
    desk = hundred_dollars
    top_up_id, _ = await desk.held(100 * USDT)
    assert (await decide(top_up_id, Action.RELEASE, mandate=desk.mandate)).status == "settled"


async def test_what_cannot_be_valued_waits_for_another_operator(hundred_dollars: Desk) -> None:
    desk = hundred_dollars
    desk.books.owner.execute("DELETE FROM exchange_rates WHERE symbol = 'USDT'")
    top_up_id, _ = await desk.held(1)
    await _proposed(_release(top_up_id), desk.mandate)
    desk.books.owner.execute("DELETE FROM exchange_rates")
    await _proposed(_release(top_up_id), desk.mandate)


async def _every_act(desk: Desk) -> dict[str, Deciding]:
    held, _ = await desk.held(200 * USDT)
    returned, _ = await desk.held(200 * USDT)
    settled, _ = await desk.settled(200 * USDT)
    reversed_one, _ = await desk.settled(50 * USDT)
    await decide(reversed_one, Action.REVERSE, mandate=desk.mandate)
    orphan, user_id = await desk.suspense(200 * USDT), desk.confirmed()
    count = Count("matic20", "0xaaaa", "USDT", Decimal(10_000), datetime.now(UTC).date())
    return {
        "release": _release(held),
        "return": lambda mandate: decide(returned, Action.RETURN, mandate=mandate),
        "reverse": lambda mandate: decide(settled, Action.REVERSE, mandate=mandate),
        "undo": lambda mandate: decide(reversed_one, Action.UNDO_REVERSE, mandate=mandate),
        "attribute": lambda mandate: attribute(orphan.order_id, user_id, mandate=mandate),
        "role": lambda mandate: grant_role(f"{user_id}@example.org", Role.OPERATOR, mandate=mandate),
        "key": lambda mandate: issuing.create("shop", Powers(("debits",)), mandate=mandate),
        "count": lambda mandate: compare([count], mandate=mandate),
    }


async def test_every_act_that_moves_money_or_power_can_be_proposed_and_confirmed_once(
    hundred_dollars: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = hundred_dollars
    rows.grant_role(desk.books.owner, desk.operator_id, "admin")
    deeds, other = await _every_act(desk), desk.operator()
    monkeypatch.setenv("FOUR_EYES_ABOVE", '{"currency": "USD", "amount": "10"}')
    get_settings.cache_clear()
    for name, deed in deeds.items():
        before = desk.everything()[:3]
        proposal = await _proposed(deed, desk.mandate)
        assert desk.everything()[:3] == before, name
        with pytest.raises(Forbidden, match="You proposed this"):
            await deed(desk.mandate_of(desk.operator_id, confirms=proposal))
        await deed(desk.mandate_of(other, confirms=proposal))
    # The last deed has changed the treasury's balance, so each deed is visible in the books or the roles.
    assert desk.books.count("proposals") == len(deeds)
    confirmed = desk.books.owner.execute("SELECT DISTINCT confirmed_by FROM proposals").fetchall()
    assert confirmed == [(other,)]


async def test_only_the_very_act_is_confirmed(hundred_dollars: Desk) -> None:
    desk, other = hundred_dollars, hundred_dollars.operator()
    (held, _), (second, _) = await desk.held(200 * USDT), await desk.held(200 * USDT)
    proposal = await _proposed(_release(held), desk.mandate)
    for deed in (
        _release(second),
        lambda mandate: decide(held, Action.RETURN, mandate=mandate),
    ):
        with pytest.raises(ActionNotPossible, match="not what was proposed"):
            await deed(desk.mandate_of(other, confirms=proposal))
    for unknown in (unknown_id(), "x", "\x00"):
        with pytest.raises(NotFound):
            await decide(held, Action.RELEASE, mandate=desk.mandate_of(other, confirms=unknown))
    desk.books.owner.execute("UPDATE top_ups SET reason = 'over_delivery' WHERE id = %s", (held,))
    with pytest.raises(ActionNotPossible, match="or it has changed since"):
        await decide(held, Action.RELEASE, mandate=desk.mandate_of(other, confirms=proposal))


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (
            "UPDATE proposals SET proposed_at = now() - interval '25 hours', expires_at = now()",
            "older than a day",
        ),
        ("UPDATE users SET role = 'user' WHERE id = (SELECT proposed_by FROM proposals)", "any more"),
    ],
)
async def test_a_proposal_ends_with_its_day_and_with_its_operators_role(
    hundred_dollars: Desk, change: str, refusal: str
) -> None:
    desk, other = hundred_dollars, hundred_dollars.operator()
    held, _ = await desk.held(200 * USDT)
    proposal = await _proposed(_release(held), desk.mandate)
    desk.books.owner.execute(change)
    before = desk.everything()
    with pytest.raises((Forbidden, ActionNotPossible), match=refusal):
        await decide(held, Action.RELEASE, mandate=desk.mandate_of(other, confirms=proposal))
    assert desk.everything() == before
    desk.books.owner.execute("UPDATE users SET role = 'operator' WHERE id = %s", (desk.operator_id,))


async def test_of_confirmations_at_once_one_does_it(hundred_dollars: Desk) -> None:
    desk = hundred_dollars
    held, _ = await desk.held(200 * USDT)
    await desk.held(200 * USDT)  # Enough is held for two.
    proposal = await _proposed(_release(held), desk.mandate)
    mandates = [desk.mandate_of(desk.operator(), confirms=proposal) for _ in range(16)]
    outcomes = await asyncio.gather(
        *(decide(held, Action.RELEASE, mandate=mandate) for mandate in mandates), return_exceptions=True
    )
    names = Counter(type(one).__name__ for one in outcomes)
    assert names.pop("Decision") == 1
    # On a busy machine, those that waited too long for a connection are told to retry.
    assert set(names) <= {"ActionNotPossible", "DatabaseUnavailable"}
    assert len(desk.timeline(held)) == 1


async def test_a_counted_difference_is_not_booked_in_parts_by_one_operator(hundred_dollars: Desk) -> None:
    desk = hundred_dollars
    await desk.settled(1000 * USDT)
    today = datetime.now(UTC).date()

    def counted(amount: int, days_ago: int) -> Deciding:
        count = Count("matic20", "0xaaaa", "USDT", Decimal(amount), today - timedelta(days=days_ago))
        return lambda mandate: compare([count], mandate=mandate)

    await counted(60, 3)(desk.mandate)
    second = counted(120, 2)
    proposal = await _proposed(second, desk.mandate)
    await second(desk.mandate_of(desk.operator(), confirms=proposal))


async def test_nobody_decides_about_their_own_account(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    own = desk.operator("admin")
    held, _ = await desk.held(user_id=own)
    settled, _ = await desk.settled(user_id=own)
    reversed_one, _ = await desk.settled(user_id=own)
    await decide(reversed_one, Action.REVERSE, mandate=desk.mandate)
    orphan = await desk.suspense()
    in_review = desk.books.top_up(own)
    desk.books.owner.execute(
        "UPDATE top_ups SET status = 'in_review', reason = 'timed_out' WHERE id = %s", (in_review,)
    )
    desk.books.open_case("in_review", top_up_id=in_review)
    for kind in (CaseKind.NOT_OURS, CaseKind.UNKNOWN_STATUS):
        desk.books.open_case(kind.value, top_up_id=settled)
    cases = [
        row
        for (row,) in desk.books.owner.execute("SELECT id FROM exceptions WHERE top_up_id = %s", (settled,))
    ]
    deeds: list[Deciding] = [
        *(
            lambda mandate, top_up_id=top_up_id, action=action: decide(top_up_id, action, mandate=mandate)
            for top_up_id, action in (
                (held, Action.RELEASE),
                (held, Action.RETURN),
                (settled, Action.REVERSE),
                (reversed_one, Action.UNDO_REVERSE),
                (in_review, Action.CLOSE),
            )
        ),
        lambda mandate: attribute(orphan.order_id, own, mandate=mandate),
        lambda mandate: close_case(cases[0], mandate=mandate),
        lambda mandate: grant_role(f"{own}@example.org", Role.USER, mandate=mandate),
    ]
    before = desk.everything()
    for deed in deeds:
        with pytest.raises(Forbidden, match="your own account"):
            await deed(desk.mandate_of(own))
    monkeypatch.setenv("FOUR_EYES_ABOVE", '{"currency": "USD", "amount": "0"}')
    get_settings.cache_clear()
    assert desk.everything() == before
    proposal = await _proposed(_release(held), desk.mandate)
    with pytest.raises(Forbidden, match="your own account"):
        await decide(held, Action.RELEASE, mandate=desk.mandate_of(own, confirms=proposal))


@pytest.fixture
async def held(hundred_dollars: Desk) -> str:
    top_up_id, _ = await hundred_dollars.held(200 * USDT)
    await engine.dispose()  # Each command runs its own event loop.
    return top_up_id


def test_the_command_prints_a_proposal_and_takes_its_confirmation(hundred_dollars: Desk, held: str) -> None:
    desk = hundred_dollars
    wanted = ("review", "release", held, "--reason", REASON, "--json")
    first, second = desk.mandate, desk.mandate_of(desk.operator())
    waits = CliRunner().invoke(app, (*wanted, "--by", first.by, "--code", first.code))
    assert waits.exit_code == 3
    answer = json.loads(waits.stdout)
    assert (answer["done"], len(answer["proposal"])) == (False, 32)
    done = CliRunner().invoke(
        app, (*wanted, "--by", second.by, "--code", second.code, "--confirm", answer["proposal"])
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["status"] == "settled"


async def test_one_operator_is_enough_where_nothing_is_set(desk: Desk) -> None:
    top_up_id, _ = await desk.held(10**12 * USDT)
    assert (await decide(top_up_id, Action.RELEASE, mandate=desk.mandate)).status == "settled"
