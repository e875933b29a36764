"""An operator makes good or writes off an amount: once, with sound books, and visible to the person."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import sessions
from onramp_app.accounts.tables import User
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain.clock import now
from onramp_app.domain.errors import Forbidden, NotFound, ValidationFailed
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import SecondOperatorNeeded
from onramp_app.operators.mandate import Mandate
from onramp_app.review import adjusting
from onramp_app.review.adjusting import Adjusted, Wanted, make_good, write_off
from onramp_app.review.decisions import decide
from onramp_app.top_ups.transitions import Action
from onramp_app.treasury.counts import Count, compare
from onramp_app.wallet.transaction_queries import Filters
from onramp_app.wallet.transactions import page
from tests import rows
from tests.desk import Desk, unknown_id
from tests.ledger.books import BY_POLL, SCALES, findings, post_now
from tests.people import sign_in
from tests.recorded_posting import spend

ONE = 10 ** SCALES["USDT"]
Act = Callable[..., Awaitable[Adjusted]]
both = pytest.mark.parametrize("act", [make_good, write_off])


async def _seen(desk: Desk, user_id: str) -> list[tuple[str, str | None, str]]:
    """Return what a person sees among their transactions, newest first."""
    async with transaction() as db:
        user = (await db.exec(select(User).where(User.id == user_id))).one()
    viewer = sessions.viewer_of(user, sign_in(desk.books.owner, user_id))
    found, _ = await page(viewer, Filters())
    return [(one.kind, one.amount, one.asset) for one in found]


async def _debtor(desk: Desk, owed: int) -> str:
    """Create a person who owes `owed`, having spent money that was reversed afterwards. Returns their id."""
    top_up_id, _ = await desk.settled(owed)
    user_id = desk.owner_of(top_up_id)
    spent = spend(f"d{desk.books.orders}", desk.books.amount(user_id, owed), cause=BY_POLL)
    await post_now(spent)
    await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    return user_id


async def _coins(desk: Desk, amount: int) -> str:
    """Add the operator's own coins to the treasury. Returns the id of a person with an earlier delivery."""
    top_up_id, delivery = await desk.settled(ONE)
    book = desk.books.accounts()[f"treasury:{delivery.network}:{delivery.address}:{delivery.asset}"]
    counted = Decimal(book + amount) / ONE
    count = Count(delivery.network, delivery.address, delivery.asset, counted, now().date())
    await compare([count], mandate=desk.mandate)
    return desk.owner_of(top_up_id)


async def _prepared(desk: Desk, act: Act, amount: int) -> str:
    return await (_coins if act is make_good else _debtor)(desk, amount)


async def test_what_was_made_good_is_available_and_among_the_transactions(desk: Desk) -> None:
    user_id = await _coins(desk, 2 * ONE)
    done = await make_good(Wanted(user_id, "USDT", "1.25", "T-77"), mandate=desk.mandate)
    assert done == Adjusted(user_id, f"{user_id}@example.org", "made good", "1.25", "USDT", "adjust:T-77")
    accounts = desk.books.accounts()
    assert accounts[f"user:{user_id}:USDT:available"] == -9 * ONE // 4
    assert accounts["operator:USDT:adjustments"] == -3 * ONE // 4
    assert (await _seen(desk, user_id))[0] == ("adjustment", "1.25", "USDT")
    assert desk.audit()[-1] == (desk.operator_id, "review.make_good", user_id)


async def test_what_was_written_off_is_no_longer_owed_and_among_the_transactions(desk: Desk) -> None:
    user_id = await _debtor(desk, 3 * ONE)
    done = await write_off(Wanted(user_id, "USDT", "2", "T-78"), mandate=desk.mandate)
    assert (done.done, done.reference) == ("written off", "writeoff:T-78")
    assert desk.books.accounts()[f"user:{user_id}:USDT:owed"] == ONE
    seen = (await _seen(desk, user_id))[0]
    assert seen == ("adjustment", "2", "USDT")
    with pytest.raises(ActionNotPossible, match="This person owes 1 USDT: no more is written off"):
        await write_off(Wanted(user_id, "USDT", "1.000000000000000001", "T-79"), mandate=desk.mandate)
    await write_off(Wanted(user_id, "USDT", "1", "T-79"), mandate=desk.mandate)
    assert f"user:{user_id}:USDT:owed" not in desk.books.accounts()
    assert desk.books.accounts()["operator:USDT:adjustments"] == 3 * ONE


async def test_a_debt_of_a_closed_account_can_be_written_off_but_nothing_is_credited(desk: Desk) -> None:
    user_id = await _debtor(desk, ONE)
    await _coins(desk, ONE)
    closed = "UPDATE users SET closed_at = now(), email = 'closed-' || id || '@account.invalid' WHERE id = %s"
    desk.books.owner.execute(closed, (user_id,))
    with pytest.raises(ActionNotPossible, match="is closed"):
        await make_good(Wanted(user_id, "USDT", "1", "T-1"), mandate=desk.mandate)
    await write_off(Wanted(user_id, "USDT", "1", "T-1"), mandate=desk.mandate)


@pytest.mark.parametrize(
    ("change", "why"), [("frozen_at = now()", "is frozen"), ("kyc_status = 'rejected'", "was rejected")]
)
async def test_an_account_that_may_not_be_credited_gets_nothing(desk: Desk, change: str, why: str) -> None:
    user_id = await _coins(desk, ONE)
    desk.books.owner.execute(f"UPDATE users SET {change} WHERE id = %s", (user_id,))
    before = desk.everything()
    with pytest.raises(ActionNotPossible, match=why):
        await make_good(Wanted(user_id, "USDT", "1", "T-1"), mandate=desk.mandate)
    assert desk.everything() == before


async def test_only_coins_that_the_treasury_has_beside_what_is_owed_are_given(desk: Desk) -> None:
    user_id = await _coins(desk, ONE)
    before = desk.everything()
    with pytest.raises(ActionNotPossible, match="The treasury holds 1 USDT more than is owed"):
        await make_good(Wanted(user_id, "USDT", "1.000000000000000001", "T-1"), mandate=desk.mandate)
    assert desk.everything() == before
    await make_good(Wanted(user_id, "USDT", "1", "T-1"), mandate=desk.mandate)
    with pytest.raises(ActionNotPossible, match="The treasury holds 0 USDT more"):
        await make_good(Wanted(user_id, "USDT", "1", "T-2"), mandate=desk.mandate)


@both
async def test_a_reference_is_booked_once(desk: Desk, act: Act) -> None:
    user_id = await _prepared(desk, act, 4 * ONE)
    wanted = Wanted(user_id, "USDT", "1", "T-1")
    await act(wanted, mandate=desk.mandate)
    before = desk.everything()
    for again in (wanted, replace(wanted, amount="2"), replace(wanted, user_id=desk.books.user())):
        with pytest.raises(ActionNotPossible, match=":T-1 was booked before"):
            await act(again, mandate=desk.mandate)
    assert desk.everything() == before


@both
async def test_what_cannot_be_meant_is_refused_and_changes_nothing(desk: Desk, act: Act) -> None:
    user_id = await _prepared(desk, act, 4 * ONE)
    before = desk.everything()
    right = Wanted(user_id, "USDT", "1", "T-1")
    for changed, refusal, field in (
        ({"amount": "0"}, ValidationFailed, "amount"),
        ({"amount": "-1"}, ValidationFailed, "amount"),
        ({"amount": "1e3"}, ValidationFailed, "amount"),
        ({"amount": "1,5"}, ValidationFailed, "amount"),
        ({"amount": "9" * 38}, ValidationFailed, "amount"),
        ({"asset": "USDC", "amount": "0.0000001"}, ValidationFailed, "amount"),
        ({"asset": "DOGE"}, ValidationFailed, "asset"),
        ({"reference": ""}, ValidationFailed, "reference"),
        ({"reference": "two words"}, ValidationFailed, "reference"),
        ({"reference": "x" * 65}, ValidationFailed, "reference"),
        ({"user_id": f"{user_id}@example.org"}, ValidationFailed, "user_id"),
        ({"user_id": unknown_id()}, NotFound, None),
        ({"asset": "BTC"}, ActionNotPossible, None),
    ):
        with pytest.raises(refusal) as refused:
            await act(replace(right, **changed), mandate=desk.mandate)
        if field is not None:
            assert [error.field for error in refused.value.errors] == [field]
    assert desk.everything() == before
    with pytest.raises(Forbidden, match="not an operator"):
        await act(right, mandate=desk.mandate_of(user_id))


@both
async def test_nobody_does_it_for_themselves(desk: Desk, act: Act) -> None:
    user_id = await _prepared(desk, act, ONE)
    rows.grant_role(desk.books.owner, user_id, "operator")
    with pytest.raises(Forbidden, match="your own account"):
        await act(Wanted(user_id, "USDT", "1", "T-1"), mandate=desk.mandate_of(user_id))
    await act(Wanted(user_id, "USDT", "1", "T-1"), mandate=desk.mandate)


@both
async def test_parts_of_a_larger_amount_need_a_second_operator_too(
    desk: Desk, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await _prepared(desk, act, 4 * ONE)
    for symbol in ("USDT", "USD"):
        desk.books.owner.execute("INSERT INTO exchange_rates VALUES ('simulator', %s, 1, now())", (symbol,))
    monkeypatch.setenv("FOUR_EYES_ABOVE", '{"currency": "USD", "amount": "1.5"}')
    get_settings.cache_clear()
    await act(Wanted(user_id, "USDT", "1", "T-1"), mandate=desk.mandate)
    second = Wanted(user_id, "USDT", "1", "T-2")
    with pytest.raises(SecondOperatorNeeded) as needed:
        await act(second, mandate=desk.mandate)
    confirming = desk.mandate_of(desk.operator(), confirms=needed.value.proposal)
    with pytest.raises(ActionNotPossible, match="not what was proposed"):
        await act(replace(second, amount="1.1"), mandate=confirming)
    await act(second, mandate=confirming)


async def _at_once(desk: Desk, act: Act, user_id: str) -> list[str]:
    mandates: list[Mandate] = [desk.mandate_of(desk.operator()) for _ in range(4)]
    outcomes = await asyncio.gather(
        *(
            act(Wanted(user_id, "USDT", "1", f"T-{number}"), mandate=mandate)
            for number, mandate in enumerate(mandates)
        ),
        return_exceptions=True,
    )
    return sorted(type(one).__name__ for one in outcomes)


@both
async def test_of_four_at_once_only_as_many_are_done_as_there_is_money_for(desk: Desk, act: Act) -> None:
    user_id = await _prepared(desk, act, 2 * ONE)
    assert await _at_once(desk, act, user_id) == ["ActionNotPossible"] * 2 + ["Adjusted"] * 2


async def test_control_without_the_lock_the_same_coins_are_given_four_times(
    control_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await _coins(control_desk, 2 * ONE)
    all_looked = asyncio.Barrier(4)
    looks = adjusting.spare_minor

    async def unlocked(_db: AsyncSession) -> None:
        return

    async def looked(db: AsyncSession, asset: str) -> int:
        spare = await looks(db, asset)
        await all_looked.wait()
        return spare

    monkeypatch.setattr(adjusting, "_one_at_a_time", unlocked)
    monkeypatch.setattr(adjusting, "spare_minor", looked)
    assert await _at_once(control_desk, make_good, user_id) == ["Adjusted"] * 4
    assert [one.rule for one in await findings()] == ["treasury_covers"]
