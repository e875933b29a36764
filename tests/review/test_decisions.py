"""Operators' decisions about top-ups: all or nothing, once, and only in states that allow them."""

import asyncio
import json
from dataclasses import replace

import psycopg
import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.sessions import end_session
from onramp_app.accounts.words import Role
from onramp_app.config import get_settings
from onramp_app.domain.errors import Forbidden, NotFound, ValidationFailed
from onramp_app.ledger import instructions as ledger
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.mandate import Mandate
from onramp_app.operators.roles import grant_role
from onramp_app.review import decisions
from onramp_app.review.decisions import Decision, decide
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Action
from tests.desk import REASON, Desk, unknown_id
from tests.ledger.books import BY_OPERATOR, BY_POLL, findings, post_now
from tests.recorded_posting import spend


async def test_a_release_makes_what_was_held_available(desk: Desk) -> None:
    top_up_id, delivery = await desk.held(1_500_000_000_000_000_000)
    user_id = desk.owner_of(top_up_id)
    done = await decide(top_up_id, Action.RELEASE, mandate=desk.mandate)
    assert done == Decision(
        top_up_id, user_id, "released", "settled", delivery.order_id, "1.5", "USDT",
        f"onramp:buy:{delivery.order_id}:release",
    )  # fmt: skip
    assert desk.books.accounts() == {
        "treasury:matic20:0xaaaa:USDT": delivery.amount_minor,
        f"user:{user_id}:USDT:available": -delivery.amount_minor,
    }
    assert desk.top_up(top_up_id) == ("settled", None, "yes", True)
    assert desk.timeline(top_up_id) == [("settled", "operator", desk.operator_id, "released")]
    assert desk.open_kinds() == []
    assert desk.audit() == [(desk.operator_id, "review.release", top_up_id)]


async def test_the_reason_is_kept_with_the_transfer_the_case_and_the_deed_but_not_shown(
    desk: Desk,
) -> None:
    top_up_id, delivery = await desk.held()
    await decide(top_up_id, Action.RELEASE, mandate=desk.mandate)
    booked = desk.books.owner.execute(
        "SELECT source, actor, reason FROM ledger_transfers WHERE kind = 'release'"
    ).fetchone()
    assert booked == ("operator", desk.operator_id, REASON)
    assert desk.books.owner.execute("SELECT closed_by, close_reason FROM exceptions").fetchone() == (
        desk.operator_id,
        REASON,
    )
    (detail,) = desk.books.owner.execute(
        "SELECT detail FROM audit_log WHERE transfer_id IS NOT NULL"
    ).fetchone()
    recorded = json.loads(detail)
    named = (recorded.pop("code"), recorded.pop("session_id"))
    assert [len(one) for one in named] == [32, 32], "which code, and never the code itself"
    assert recorded == {
        "reason": REASON,
        "before": "in_review",
        "after": "settled",
        "order": delivery.order_id,
        "amount": "0.0000000000000001",
        "asset": "USDT",
        "reference": f"onramp:buy:{delivery.order_id}:release",
    }
    assert REASON not in str(desk.timeline(top_up_id))


async def test_a_release_bumps_the_versions_that_pages_compare(desk: Desk) -> None:
    top_up_id, _ = await desk.held()
    versions = (
        "SELECT t.version, b.version FROM top_ups t JOIN user_balances b USING (user_id) WHERE t.id = %s"
    )
    before = desk.books.owner.execute(versions, (top_up_id,)).fetchone()
    await decide(top_up_id, Action.RELEASE, mandate=desk.mandate)
    after = desk.books.owner.execute(versions, (top_up_id,)).fetchone()
    assert all(new > old for new, old in zip(after, before, strict=True))


async def test_a_release_pays_what_the_user_owes_first(desk: Desk) -> None:
    first, _ = await desk.settled(70)
    user_id = desk.owner_of(first)
    await post_now(spend("d", desk.books.amount(user_id, 70), cause=BY_POLL))
    await decide(first, Action.REVERSE, mandate=desk.mandate)
    top_up_id, _ = await desk.held(100, user_id=user_id)
    await decide(top_up_id, Action.RELEASE, mandate=desk.mandate)
    accounts = desk.books.accounts()
    assert accounts[f"user:{user_id}:USDT:available"] == -30
    assert f"user:{user_id}:USDT:owed" not in accounts


async def test_a_return_gives_what_was_held_back_to_the_provider(desk: Desk) -> None:
    top_up_id, delivery = await desk.held()
    done = await decide(top_up_id, Action.RETURN, mandate=desk.mandate)
    assert (done.status, done.reference) == ("reversed", f"onramp:buy:{delivery.order_id}:return")
    assert desk.books.accounts() == {
        "treasury:matic20:0xaaaa:USDT": 100,
        "provider:onramp:USDT:payable": -100,
    }
    assert desk.top_up(top_up_id) == ("reversed", "returned", "yes", True)
    assert desk.timeline(top_up_id) == [("reversed", "operator", desk.operator_id, "returned")]
    assert desk.open_kinds() == []
    assert desk.audit() == [(desk.operator_id, "review.return", top_up_id)]


async def test_closing_a_review_without_an_entry_books_nothing(desk: Desk) -> None:
    top_up_id = desk.in_review()
    desk.books.open_case("unknown_status", top_up_id=top_up_id)
    done = await decide(top_up_id, Action.CLOSE, mandate=desk.mandate)
    assert (done.status, done.amount, done.reference) == ("failed", None, None)
    assert desk.books.accounts() == {}
    assert desk.top_up(top_up_id) == ("failed", "timed_out", "no", False)
    assert desk.timeline(top_up_id) == [("failed", "operator", desk.operator_id, "closed")]
    assert desk.open_kinds() == []
    assert desk.audit() == [(desk.operator_id, "review.close", top_up_id)]


async def test_a_reversal_takes_what_is_there_and_the_rest_is_owed(desk: Desk) -> None:
    top_up_id, delivery = await desk.settled(100)
    user_id = desk.owner_of(top_up_id)
    desk.books.open_case("failed_after_settled", top_up_id=top_up_id)
    await post_now(spend("d", desk.books.amount(user_id, 60), cause=BY_POLL))
    done = await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    assert (done.status, done.reference) == ("reversed", f"onramp:buy:{delivery.order_id}:reverse")
    accounts = desk.books.accounts()
    assert accounts[f"user:{user_id}:USDT:owed"] == 60
    assert accounts["provider:onramp:USDT:payable"] == -100
    assert f"user:{user_id}:USDT:available" not in accounts
    assert desk.top_up(top_up_id) == ("reversed", None, "yes", True)
    assert desk.open_kinds() == []


async def test_a_reversal_is_undone_and_confirmed_again_each_as_a_new_transfer(desk: Desk) -> None:
    top_up_id, delivery = await desk.settled(100)
    user_id = desk.owner_of(top_up_id)
    references = []
    for _ in range(2):
        for action, available in ((Action.REVERSE, 0), (Action.UNDO_REVERSE, -100)):
            references.append((await decide(top_up_id, action, mandate=desk.mandate)).reference)
            assert desk.books.accounts().get(f"user:{user_id}:USDT:available", 0) == available
    name = f"onramp:buy:{delivery.order_id}"
    assert references == [
        f"{name}:reverse",
        f"{name}:undo_reverse",
        f"{name}:reverse:2",
        f"{name}:undo_reverse:2",
    ]
    assert desk.top_up(top_up_id)[0] == "settled"
    assert [detail for *_, detail in desk.timeline(top_up_id)] == ["reversed", "reversal undone"] * 2


@pytest.mark.parametrize(
    ("action", "prepare"),
    [
        (Action.RELEASE, "held"),
        (Action.RETURN, "held"),
        (Action.CLOSE, "in_review"),
        (Action.REVERSE, "settled"),
        (Action.UNDO_REVERSE, "reversed"),
    ],
)
async def test_the_same_decision_again_is_refused_and_changes_nothing(
    desk: Desk, action: Action, prepare: str
) -> None:
    top_up_id = await _prepared(desk, prepare)
    await decide(top_up_id, action, mandate=desk.mandate)
    before = desk.everything()
    with pytest.raises(ActionNotPossible) as refused:
        await decide(top_up_id, action, mandate=desk.mandate)
    assert refused.value.detail.startswith("This top-up ")
    assert desk.everything() == before


async def _prepared(desk: Desk, state: str) -> str:
    if state == "in_review":
        return desk.in_review()
    if state == "held":
        return (await desk.held())[0]
    if state == "processing":
        return desk.books.top_up(desk.books.user())
    if state == "returned":
        top_up_id, _ = await desk.held()
        await decide(top_up_id, Action.RETURN, mandate=desk.mandate)
        return top_up_id
    top_up_id, _ = await desk.settled()
    if state == "reversed":
        await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    return top_up_id


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("frozen_at = now()", "is frozen"),
        ("kyc_status = 'rejected'", "was rejected"),
        ("closed_at = now(), email = 'closed-' || id || '@account.invalid'", "is closed"),
    ],
)
@pytest.mark.parametrize(("state", "action"), [("held", Action.RELEASE), ("reversed", Action.UNDO_REVERSE)])
async def test_an_account_that_may_not_be_credited_gets_nothing_from_a_decision(
    desk: Desk, state: str, action: Action, change: str, why: str
) -> None:
    top_up_id = await _prepared(desk, state)
    desk.books.owner.execute(f"UPDATE users SET {change} WHERE id = %s", (desk.owner_of(top_up_id),))
    before = desk.everything()
    with pytest.raises(ActionNotPossible, match=why):
        await decide(top_up_id, action, mandate=desk.mandate)
    assert desk.everything() == before


async def test_nobody_is_frozen_in_the_middle_of_a_release(desk: Desk) -> None:
    top_up_id, _ = await desk.held()
    with psycopg.connect(get_settings().database_url.get_secret_value()) as busy:
        busy.execute("SELECT FROM top_ups WHERE id = %s FOR UPDATE", (top_up_id,))
        deciding = asyncio.create_task(decide(top_up_id, Action.RELEASE, mandate=desk.mandate))
        await asyncio.sleep(0.3)
        with psycopg.connect(get_settings().database_url.get_secret_value()) as freezing:
            freezing.execute("SET lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                freezing.execute(
                    "UPDATE users SET frozen_at = now() WHERE id = %s", (desk.owner_of(top_up_id),)
                )
    await deciding


@pytest.mark.parametrize(
    ("state", "action", "why"),
    [
        ("processing", Action.RELEASE, "is processing: nothing of it is held"),
        ("processing", Action.RETURN, "is processing: nothing of it is held"),
        ("processing", Action.CLOSE, "is processing: only one in review"),
        ("processing", Action.REVERSE, "is processing: nothing was credited"),
        ("processing", Action.UNDO_REVERSE, "has no reversal to undo"),
        ("in_review", Action.RELEASE, "nothing of it was booked"),
        ("in_review", Action.RETURN, "nothing of it was booked"),
        ("in_review", Action.REVERSE, "nothing was credited"),
        ("in_review", Action.UNDO_REVERSE, "has no reversal to undo"),
        ("held", Action.CLOSE, "release it or return it"),
        ("held", Action.REVERSE, "return it instead"),
        ("held", Action.UNDO_REVERSE, "has no reversal to undo"),
        ("settled", Action.RELEASE, "is settled: nothing of it is held"),
        ("settled", Action.RETURN, "is settled: nothing of it is held"),
        ("settled", Action.CLOSE, "is settled: only one in review"),
        ("settled", Action.UNDO_REVERSE, "has no reversal to undo"),
        ("reversed", Action.RELEASE, "is reversed: nothing of it is held"),
        ("reversed", Action.CLOSE, "is reversed: only one in review"),
        ("reversed", Action.REVERSE, "is reversed already"),
        ("returned", Action.REVERSE, "is reversed already"),
        ("returned", Action.UNDO_REVERSE, "only the reversal of a settled one is undone"),
    ],
)
async def test_what_is_not_possible_says_why_and_changes_nothing(
    desk: Desk, state: str, action: Action, why: str
) -> None:
    top_up_id = await _prepared(desk, state)
    before = desk.everything()
    with pytest.raises(ActionNotPossible, match=why) as refused:
        await decide(top_up_id, action, mandate=desk.mandate)
    assert refused.value.status == 409
    assert desk.everything() == before


async def test_only_operators_decide_and_only_with_a_reason(desk: Desk) -> None:
    top_up_id, _ = await desk.held()
    before = desk.everything()
    user = desk.owner_of(top_up_id)
    for mandate, refusal in (
        (Mandate(desk.operator_id, "  ", "x"), ValidationFailed),
        (Mandate(desk.operator_id, "x" * 501, "x"), ValidationFailed),
        (Mandate(desk.operator_id, "two\nlines", "x"), ValidationFailed),
        (Mandate("nobody", REASON, "x"), ValidationFailed),
        (Mandate("nobody@example.org", REASON, "x"), NotFound),
        (Mandate(unknown_id(), REASON, "x"), NotFound),
        (Mandate(user, REASON, "x"), Forbidden),
        (Mandate(desk.operator_id, REASON, "x"), Forbidden),
    ):
        with pytest.raises(refusal):
            await decide(top_up_id, Action.RELEASE, mandate=mandate)
    for unknown in (unknown_id(), "1' OR true", "\x00"):
        with pytest.raises(NotFound):
            await decide(unknown, Action.RELEASE, mandate=desk.mandate)
    assert desk.everything() == before
    await decide(top_up_id, Action.RELEASE, mandate=replace(desk.mandate, reason="x" * 500))


async def test_nobody_loses_the_power_to_decide_in_the_middle_of_a_decision(desk: Desk) -> None:
    """Revoking a role waits for decisions in progress to finish, and lets no further one start."""
    top_up_id, _ = await desk.held()
    later, _ = await desk.held()
    with psycopg.connect(get_settings().database_url.get_secret_value()) as busy:
        busy.execute("SELECT FROM top_ups WHERE id = %s FOR UPDATE", (top_up_id,))
        deciding = asyncio.create_task(decide(top_up_id, Action.RELEASE, mandate=desk.mandate))
        await asyncio.sleep(0.3)
        taking = asyncio.create_task(grant_role(f"{desk.operator_id}@example.org", Role.USER))
        await asyncio.wait({taking}, timeout=0.5)
        assert not taking.done(), "a decision would follow"
        assert not deciding.done()
    await asyncio.gather(deciding, taking)
    with pytest.raises(Forbidden, match="is not an operator"):
        await decide(later, Action.RELEASE, mandate=desk.mandate)


async def test_a_session_that_a_decision_relies_on_does_not_end_in_its_middle(desk: Desk) -> None:
    top_up_id, _ = await desk.held()
    with psycopg.connect(get_settings().database_url.get_secret_value()) as busy:
        busy.execute("SELECT FROM top_ups WHERE id = %s FOR UPDATE", (top_up_id,))
        deciding = asyncio.create_task(decide(top_up_id, Action.RELEASE, mandate=desk.mandate))
        await asyncio.sleep(0.3)
        (session_id,) = desk.books.owner.execute(
            "SELECT id FROM auth_sessions WHERE user_id = %s", (desk.operator_id,)
        ).fetchone()
        ending = asyncio.create_task(end_session(desk.operator_id, session_id))
        await asyncio.wait({ending}, timeout=0.5)
        assert not ending.done()
    await asyncio.gather(deciding, ending)


async def test_a_decision_that_the_ledger_refuses_leaves_nothing(control_desk: Desk) -> None:
    top_up_id, delivery = await control_desk.held()
    user_id = control_desk.owner_of(top_up_id)
    # Inconsistent books: released in the ledger, in review in the list.
    await post_now(ledger.release(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_OPERATOR))
    before = control_desk.everything()
    with pytest.raises(ActionNotPossible, match="was booked before"):
        await decide(top_up_id, Action.RELEASE, mandate=control_desk.mandate)
    with pytest.raises(ActionNotPossible, match="holds less"):
        await decide(top_up_id, Action.RETURN, mandate=control_desk.mandate)
    assert control_desk.everything() == before


async def _both_at_once(desk: Desk, top_up_id: str) -> list[object]:
    other = desk.operator("admin")
    return await asyncio.gather(
        decide(top_up_id, Action.RELEASE, mandate=desk.mandate),
        decide(top_up_id, Action.RETURN, mandate=desk.mandate_of(other)),
        return_exceptions=True,
    )


async def test_of_two_operators_who_decide_at_once_one_wins_and_the_other_is_refused(desk: Desk) -> None:
    user_id = desk.books.user()
    await desk.held(100, user_id=user_id)  # Enough is held for both, so only the lock decides.
    for round_number in range(1, 9):
        top_up_id, _ = await desk.held(100, user_id=user_id)
        outcomes = await _both_at_once(desk, top_up_id)
        assert sorted(type(one).__name__ for one in outcomes) == ["ActionNotPossible", "Decision"]
        assert len(desk.timeline(top_up_id)) == 1
        assert len(desk.audit()) == round_number


async def test_control_without_the_lock_both_operators_win(
    control_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_looked = asyncio.Barrier(2)

    async def unlocked(db: AsyncSession, top_up_id: str) -> TopUp:
        found = (await db.exec(select(TopUp).where(TopUp.id == top_up_id))).one()
        await both_looked.wait()
        return found

    user_id = control_desk.books.user()
    await control_desk.held(100, user_id=user_id)
    top_up_id, _ = await control_desk.held(100, user_id=user_id)
    monkeypatch.setattr(decisions, "_locked", unlocked)
    outcomes = await _both_at_once(control_desk, top_up_id)
    assert [type(one).__name__ for one in outcomes] == ["Decision", "Decision"]
    assert "order_gives_what_it_has" in {finding.rule for finding in await findings()}
