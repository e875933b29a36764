"""Returned or reversed money leaves the books once: sent back on chain, or offset against an invoice."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import get_settings
from onramp_app.domain.clock import now
from onramp_app.domain.errors import Forbidden, NotFound, ValidationFailed
from onramp_app.ledger.transfers import Instruction
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import SecondOperatorNeeded
from onramp_app.operators.mandate import Mandate
from onramp_app.review import decisions, giving_back
from onramp_app.review.decisions import decide
from onramp_app.review.giving_back import GivenBack, remit, setoff
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Action
from onramp_app.treasury.counts import Count, compare
from tests.desk import REASON, Desk
from tests.ledger.books import BY_POLL, findings, post_now
from tests.recorded_posting import spend

SENT = "0x" + "5e" * 32
Act = Callable[[str, Mandate], Awaitable[GivenBack]]


async def _remit(order_id: str, mandate: Mandate) -> GivenBack:
    return await remit(order_id, transaction=SENT, mandate=mandate)


async def _setoff(order_id: str, mandate: Mandate) -> GivenBack:
    return await setoff(order_id, invoice="INV-7", mandate=mandate)


both = pytest.mark.parametrize("act", [_remit, _setoff])


async def test_what_was_returned_is_sent_back_and_a_count_finds_no_difference(desk: Desk) -> None:
    top_up_id, delivery = await desk.held(1_500_000_000_000_000_000)
    await decide(top_up_id, Action.RETURN, mandate=desk.mandate)
    before = desk.top_up(top_up_id), desk.timeline(top_up_id)
    # Explorers and people also write hashes in upper case.
    done = await remit(delivery.order_id, transaction=f" {SENT.replace('5e', '5E')} ", mandate=desk.mandate)
    assert done == GivenBack(
        delivery.order_id,
        top_up_id,
        "sent back",
        "1.5",
        "USDT",
        SENT,
        f"onramp:buy:{delivery.order_id}:remit",
    )
    assert desk.books.accounts() == {}
    assert (desk.top_up(top_up_id), desk.timeline(top_up_id)) == before
    assert desk.audit()[1:] == [(desk.operator_id, "review.remit", top_up_id)]
    counted = Count(delivery.network, delivery.address, delivery.asset, Decimal(0), now().date())
    report = await compare([counted])
    assert (report.is_even, report.compared[0].missing) == (True, "0")


async def test_what_was_set_off_stays_with_the_operator(desk: Desk) -> None:
    top_up_id, delivery = await desk.settled(100)
    await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    done = await setoff(delivery.order_id, invoice="INV-7", mandate=desk.mandate)
    assert (done.done, done.evidence) == ("set off", "INV-7")
    assert desk.books.accounts() == {
        "treasury:matic20:0xaaaa:USDT": 100,
        "operator:USDT:adjustments": -100,
    }


async def test_the_proof_is_kept_with_the_transfer_and_the_reason(desk: Desk) -> None:
    top_up_id, delivery = await desk.settled(100)
    await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    await _remit(delivery.order_id, desk.mandate)
    source, actor, reason, detail = desk.books.owner.execute(
        "SELECT t.source, t.actor, t.reason, l.detail FROM ledger_transfers t"
        " JOIN audit_log l ON l.transfer_id = t.id WHERE t.kind = 'remit'"
    ).fetchone()
    assert (source, actor, reason) == ("operator", desk.operator_id, REASON)
    kept = json.loads(detail)
    assert [kept[name] for name in ("order", "amount", "asset", "evidence", "reference")] == [
        delivery.order_id,
        "0.0000000000000001",
        "USDT",
        SENT,
        f"onramp:buy:{delivery.order_id}:remit",
    ]


@both
async def test_what_was_given_back_is_not_credited_again_by_undoing(desk: Desk, act: Act) -> None:
    top_up_id, delivery = await desk.settled(100)
    other, _ = await desk.settled(100)
    for one in (top_up_id, other):
        await decide(one, Action.REVERSE, mandate=desk.mandate)
    await act(delivery.order_id, desk.mandate)
    before = desk.everything()
    with pytest.raises(ActionNotPossible, match="sent back or set off already"):
        await decide(top_up_id, Action.UNDO_REVERSE, mandate=desk.mandate)
    assert desk.everything() == before
    await decide(other, Action.UNDO_REVERSE, mandate=desk.mandate)


@both
async def test_what_was_given_back_is_given_back_once(desk: Desk, act: Act) -> None:
    top_up_id, delivery = await desk.settled(100)
    other, _ = await desk.settled(100)  # The payable of this one would be taken instead.
    for one in (top_up_id, other):
        await decide(one, Action.REVERSE, mandate=desk.mandate)
    await act(delivery.order_id, desk.mandate)
    before = desk.everything()
    for again in (_remit, _setoff):
        with pytest.raises(ActionNotPossible, match="already"):
            await again(delivery.order_id, desk.mandate)
    assert desk.everything() == before


@both
async def test_a_reversal_that_was_undone_and_confirmed_again_is_given_back(desk: Desk, act: Act) -> None:
    top_up_id, delivery = await desk.settled(100)
    await desk.settled(100)
    for action in (Action.REVERSE, Action.UNDO_REVERSE):
        await decide(top_up_id, action, mandate=desk.mandate)
    with pytest.raises(ActionNotPossible, match="its top-up is settled"):
        await act(delivery.order_id, desk.mandate)
    await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    await act(delivery.order_id, desk.mandate)


@both
async def test_all_of_a_delivery_is_given_back_where_its_user_owes_a_part(desk: Desk, act: Act) -> None:
    top_up_id, delivery = await desk.settled(100)
    user_id = desk.owner_of(top_up_id)
    await post_now(spend("d", desk.books.amount(user_id, 60), cause=BY_POLL))
    await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    assert (await act(delivery.order_id, desk.mandate)).amount == "0.0000000000000001"
    accounts = desk.books.accounts()
    assert "provider:onramp:USDT:payable" not in accounts
    assert accounts[f"user:{user_id}:USDT:owed"] == 60


@both
async def test_what_is_not_to_be_given_back_is_refused_and_changes_nothing(desk: Desk, act: Act) -> None:
    _, settled = await desk.settled(100)
    _, held = await desk.held(100)
    nobodys = await desk.suspense(100)
    unbooked = desk.books.delivery(100, top_up_id=desk.books.top_up(desk.books.user()))
    desk.books.owner.execute(
        "UPDATE provider_orders SET status_class = 'sending', delivered_minor = NULL WHERE id = %s",
        (unbooked.provider_order_id,),
    )
    before = desk.everything()
    for order_id, refusal, why in (
        (settled.order_id, ActionNotPossible, "its top-up is settled. Return or reverse it first"),
        (held.order_id, ActionNotPossible, "its top-up is in_review"),
        (nobodys.order_id, ActionNotPossible, "Nothing of this order was credited"),
        (unbooked.order_id, ActionNotPossible, "Nothing of this order was credited"),
        ("9999", NotFound, "no purchase with this id"),
        ("\x00", NotFound, "no purchase with this id"),
    ):
        with pytest.raises(refusal, match=why):
            await act(order_id, desk.mandate)
    assert desk.everything() == before


async def test_only_the_hash_of_what_was_sent_back_is_taken(desk: Desk) -> None:
    top_up_id, delivery = await desk.held(100)
    desk.books.owner.execute("UPDATE provider_orders SET transaction_hash = %s", ("0x" + "aa" * 32,))
    await decide(top_up_id, Action.RETURN, mandate=desk.mandate)
    before = desk.everything()
    for name, why in (
        ("", "not the hash of a transaction on matic20"),
        ("0x77", "not the hash"),
        (SENT + "00", "not the hash"),
        ("0x" + "AA" * 32, "brought the coins"),
    ):
        with pytest.raises(ValidationFailed, match=why):
            await remit(delivery.order_id, transaction=name, mandate=desk.mandate)
    for number in ("", " ", "two\nlines", "x" * 129):
        with pytest.raises(ValidationFailed, match="number of the provider's invoice"):
            await setoff(delivery.order_id, invoice=number, mandate=desk.mandate)
    assert desk.everything() == before


@both
async def test_another_operator_gives_back_what_was_ones_own(desk: Desk, act: Act) -> None:
    own, delivery = await desk.settled(100, user_id=desk.operator_id)
    other = desk.operator()
    await decide(own, Action.REVERSE, mandate=desk.mandate_of(other))
    with pytest.raises(Forbidden, match="your own account"):
        await act(delivery.order_id, desk.mandate)
    with pytest.raises(Forbidden, match="not an operator"):
        await act(delivery.order_id, desk.mandate_of(desk.books.user()))
    await act(delivery.order_id, desk.mandate_of(other))


async def test_above_the_threshold_a_second_operator_confirms_the_same_hash(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    top_up_id, delivery = await desk.held(100)
    await decide(top_up_id, Action.RETURN, mandate=desk.mandate)
    monkeypatch.setenv("FOUR_EYES_ABOVE", '{"currency": "USD", "amount": "0"}')
    get_settings.cache_clear()
    with pytest.raises(SecondOperatorNeeded) as needed:
        await _remit(delivery.order_id, desk.mandate)
    second = desk.operator()
    assert desk.books.accounts()["provider:onramp:USDT:payable"] == -100
    with pytest.raises(ActionNotPossible, match="not what was proposed"):
        await remit(
            delivery.order_id,
            transaction="0x" + "77" * 32,
            mandate=desk.mandate_of(second, confirms=needed.value.proposal),
        )
    await _remit(delivery.order_id, desk.mandate_of(second, confirms=needed.value.proposal))
    assert desk.books.accounts() == {}


async def test_of_all_that_is_done_with_a_reversal_at_once_one_is_done(desk: Desk) -> None:
    await desk.settled(1000)
    spare, _ = await desk.settled(1000)  # The provider is owed enough for all of them.
    await decide(spare, Action.REVERSE, mandate=desk.mandate)
    for _ in range(4):
        top_up_id, delivery = await desk.settled(100)
        await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
        mandates = [desk.mandate_of(desk.operator()) for _ in range(4)]
        outcomes = await asyncio.gather(
            _remit(delivery.order_id, mandates[0]),
            _remit(delivery.order_id, mandates[1]),
            _setoff(delivery.order_id, mandates[2]),
            decide(top_up_id, Action.UNDO_REVERSE, mandate=mandates[3]),
            return_exceptions=True,
        )
        refused = [one for one in outcomes if isinstance(one, BaseException)]
        assert [type(one) for one in refused] == [ActionNotPossible] * 3


async def test_control_without_the_lock_a_reversal_is_undone_and_given_back(
    control_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = control_desk
    spare, _ = await desk.settled(1000)
    top_up_id, delivery = await desk.settled(100)
    for one in (spare, top_up_id):
        await decide(one, Action.REVERSE, mandate=desk.mandate)

    async def unlocked(db: AsyncSession, name: str) -> TopUp:
        return (await db.exec(select(TopUp).where(TopUp.id == name))).one()

    async def given_back_meanwhile(db: AsyncSession, instruction: Instruction) -> str:
        await _remit(delivery.order_id, desk.mandate_of(desk.operator()))
        return await posted(db, instruction)

    posted = decisions.post_once
    monkeypatch.setattr(giving_back, "_locked", unlocked)
    monkeypatch.setattr(decisions, "post_once", given_back_meanwhile)
    await decide(top_up_id, Action.UNDO_REVERSE, mandate=desk.mandate)
    assert "order_gives_what_it_has" in {one.rule for one in await findings()}


async def test_what_is_undone_and_given_back_at_once_locks_nothing_in_a_circle(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    top_up_id, delivery = await desk.settled(100)
    await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    posted, is_locked = decisions.post_once, asyncio.Event()

    async def slow(db: AsyncSession, instruction: Instruction) -> str:
        is_locked.set()
        await asyncio.sleep(0.3)  # By now the other one has the order, and waits for the top-up.
        return await posted(db, instruction)

    monkeypatch.setattr(decisions, "post_once", slow)

    async def give_back() -> None:
        await is_locked.wait()
        await _remit(delivery.order_id, desk.mandate_of(desk.operator()))

    undo = decide(top_up_id, Action.UNDO_REVERSE, mandate=desk.mandate)
    outcomes = await asyncio.gather(undo, give_back(), return_exceptions=True)
    assert [type(one).__name__ for one in outcomes] == ["Decision", "ActionNotPossible"]
