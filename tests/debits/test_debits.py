"""Debits: what they move, what they refuse, and that each happens once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from onramp_app.db.engine import transaction
from onramp_app.debits import debits, views
from onramp_app.debits.debits import Move, WantedMove
from onramp_app.debits.errors import AccountClosed, MoreThanLeft, RateTooOld, ReferenceUsed
from onramp_app.debits.expiry import release_expired
from onramp_app.debits.personal import forget
from onramp_app.debits.views import DebitView
from onramp_app.domain.errors import ApplicationError, NotFound, ValidationFailed
from onramp_app.ledger.errors import InsufficientFunds
from onramp_app.providers.errors import UnsupportedAsset, UnsupportedCurrency
from onramp_app.top_ups.errors import AccountFrozen
from tests import rows
from tests.debits.shop import HOUR, PROGRAM, SHOP, Shop


async def test_a_debit_takes_what_it_says_under_the_programs_reference(shop: Shop) -> None:
    user_id = await shop.person(100)
    taken = await shop.debit(user_id, "12.5", description="Two coffees", metadata={"order": "77"})
    assert (taken.status, taken.amount, taken.posted_amount) == ("posted", "12.5", "12.5")
    assert (taken.held_amount, taken.reversed_amount, taken.rate) == ("0", "0", None)
    assert taken.metadata == (("order", "77"),)
    assert shop.balance(user_id) == (Decimal("87.5"), 0)
    assert shop.books.owner.execute(
        "SELECT reference, source, actor FROM ledger_transfers WHERE kind = 'debit'"
    ).fetchone() == ("debit:shop:o-1", "program", "shop")
    assert await views.get(PROGRAM, taken.id) == taken


async def test_the_same_request_again_is_answered_as_the_first_was(shop: Shop) -> None:
    user_id = await shop.person(100)
    first, is_new = await shop.debit_or_repeat(user_id, "5", metadata={"a": "1", "b": "2"})
    assert is_new
    await shop.move(first, "reverse", 2)
    again, is_new = await shop.debit_or_repeat(user_id, "5.00", metadata={"b": "2", "a": "1"})
    assert (again, is_new) == (first, False)
    assert (await views.get(PROGRAM, first.id)).reversed_amount == "2"
    held = await shop.hold(user_id, 5, "o-2")
    await shop.move(held, "release")
    assert await shop.hold(user_id, 5, "o-2") == held


async def test_the_same_reference_with_other_content_is_refused(shop: Shop) -> None:
    user_id = await shop.person(100)
    other = await shop.person(100)
    await shop.debit(user_id, 5, description="Tea")
    for changed in (
        shop.debit(user_id, 6, description="Tea"),
        shop.debit(other, 5, description="Tea"),
        shop.debit(user_id, 5, description="Coffee"),
        shop.debit(user_id, 5),
        shop.debit(user_id, 5, description="Tea", metadata={"a": "1"}),
        shop.debit(user_id, 5, description="Tea", hold=HOUR),
        shop.debit(user_id, 5, description="Tea", asset="BTC"),
    ):
        with pytest.raises(ReferenceUsed) as refused:
            await changed
        assert (refused.value.status, refused.value.code) == (409, "idempotency_conflict")
    assert shop.balance(user_id) == (95, 0)


async def test_another_programs_reference_is_its_own(shop: Shop) -> None:
    user_id = await shop.person(100)
    mine = await shop.debit(user_id, 5)
    rows.keyless_program(shop.books.owner, "game", knows=user_id)
    wanted = debits.WantedDebit(user_id, Decimal(6), "o-1", asset="USDT")
    theirs, is_new = await debits.create(replace(SHOP, id="game"), wanted)
    assert is_new
    with pytest.raises(NotFound):
        await views.get("game", mine.id)
    with pytest.raises(NotFound):
        await debits.move(SHOP, theirs.id, Move.REVERSE, WantedMove("m"))
    assert [one.id for one in (await views.page("game"))[0]] == [theirs.id]


async def test_more_than_is_available_is_refused_and_leaves_nothing(shop: Shop) -> None:
    user_id = await shop.person(100)
    with pytest.raises(InsufficientFunds) as refused:
        await shop.debit(user_id, "100.000000000000000001")
    assert (refused.value.status, refused.value.code) == (409, "insufficient_funds")
    assert shop.books.count("debits") == 0
    await shop.debit(user_id, 100)  # The same reference may be tried again.
    assert shop.balance(user_id) == (0, 0)


async def test_what_cannot_be_taken_says_why(shop: Shop) -> None:
    user_id = await shop.person(100)
    frozen, closed, stranger = await shop.person(100), shop.known(), shop.books.user()
    shop.freeze(frozen)
    shop.books.owner.execute(
        "UPDATE users SET closed_at = now(), country = NULL,"
        " email = 'closed-' || id || '@account.invalid' WHERE id = %s",
        (closed,),
    )
    for asked, kind, code in (
        (shop.debit(frozen, 5), AccountFrozen, "account_frozen"),
        (shop.hold(frozen, 5), AccountFrozen, "account_frozen"),
        (shop.debit(closed, 5), NotFound, "not_found"),
        (shop.debit(stranger, 5), NotFound, "not_found"),
        (shop.debit("0" * 32, 5), NotFound, "not_found"),
        (shop.debit("nobody", 5), NotFound, "not_found"),
        (shop.debit(user_id, 5, asset="DOGE"), UnsupportedAsset, "unsupported_asset"),
        (shop.debit(user_id, "0"), ValidationFailed, "validation_failed"),
        (shop.debit(user_id, 5, metadata={"a": "x" * 4000}), ValidationFailed, "validation_failed"),
        (shop.debit(user_id, "0.0000000000000000001"), ValidationFailed, "validation_failed"),
    ):
        with pytest.raises(kind) as refused:
            await asked
        assert refused.value.code == code
    assert shop.books.count("debits") == 0


async def test_a_hold_is_captured_in_parts_and_the_rest_released(shop: Shop) -> None:
    user_id = await shop.person(100)
    held = await shop.hold(user_id, 90)
    assert (held.status, held.posted_amount, held.held_amount) == ("held", "0", "90")
    assert shop.balance(user_id) == (10, 90)
    await shop.move(held, "capture", 30, "c-1")
    after = await shop.move(held, "capture", "20.5", "c-2")
    assert (after.status, after.posted_amount, after.held_amount) == ("held", "50.5", "39.5")
    after = await shop.move(held, "release", reference="end")
    assert (after.status, after.released_amount, after.held_amount) == ("posted", "39.5", "0")
    assert shop.balance(user_id) == (Decimal("49.5"), 0)
    assert shop.kinds() == ["debit_hold", "debit_capture", "debit_capture", "debit_release"]


async def test_a_move_under_the_same_reference_happens_once(shop: Shop) -> None:
    user_id = await shop.person(100)
    held = await shop.hold(user_id, 90)
    for _ in range(2):
        after = await shop.move(held, "capture", 30, "c-1")
        assert after.posted_amount == "30"
    with pytest.raises(ReferenceUsed):
        await shop.move(held, "capture", 31, "c-1")
    with pytest.raises(ReferenceUsed):
        await shop.move(held, "capture", None, "c-1")  # Capturing the rest is a different request than 30.
    for _ in range(2):
        after = await shop.move(held, "capture", None, "c-2")
        assert after.posted_amount == "90"
    for _ in range(2):
        after = await shop.move(held, "reverse", 40, "r-1")
        assert after.reversed_amount == "40"
    for _ in range(2):
        after = await shop.move(held, "reverse", None, "r-2")
        assert after.reversed_amount == "90"
    other = await shop.hold(user_id, 10, "o-2")
    for _ in range(2):
        assert (await shop.move(other, "release", None, "e-1")).status == "released"
    with pytest.raises(ReferenceUsed):
        await shop.move(other, "release", 9, "e-1")
    assert shop.balance(user_id) == (100, 0)


async def test_a_frozen_account_is_not_captured_and_gets_back_what_is_its(shop: Shop) -> None:
    user_id = await shop.person(100)
    spent, held = await shop.debit(user_id, 20), await shop.hold(user_id, 50, "o-2")
    shop.freeze(user_id)
    with pytest.raises(AccountFrozen):
        await shop.move(held, "capture", 1)
    assert (await shop.move(held, "release")).status == "released"
    assert (await shop.move(spent, "reverse")).reversed_amount == "20"
    assert shop.balance(user_id) == (100, 0)


async def test_nothing_is_given_back_to_a_closed_account(shop: Shop) -> None:
    user_id = await shop.person(20)
    spent = await shop.debit(user_id, 20, description="Tea", metadata={"table": "4"})
    async with transaction() as db:
        await forget(db, user_id)
    shop.books.owner.execute(
        "UPDATE users SET closed_at = now(), country = NULL,"
        " email = 'closed-' || id || '@account.invalid' WHERE id = %s",
        (user_id,),
    )
    with pytest.raises(AccountClosed) as refused:
        await shop.move(spent, "reverse")
    assert (refused.value.status, refused.value.code) == (403, "forbidden")
    left = await views.get(PROGRAM, spent.id)
    assert (left.description, left.metadata, left.amount) == (None, (), "20")


async def test_an_amount_of_a_currency_is_taken_at_the_kept_rate_and_says_which(shop: Shop) -> None:
    user_id = await shop.person(100)
    shop.price("USDT", "1")
    shop.price("INR", "80")
    taken = await shop.debit(user_id, "1000", fiat_currency="INR")
    assert (taken.amount, taken.asset) == ("12.5", "USDT")
    assert (taken.fiat_amount, taken.fiat_currency, taken.rate) == ("1000", "INR", "80")
    assert taken.rate_as_of is not None
    with pytest.raises(UnsupportedCurrency):
        await shop.debit(user_id, "1000", "o-2", fiat_currency="XAU")
    with pytest.raises(ValidationFailed):
        await shop.debit(user_id, "1000.001", "o-2", fiat_currency="INR")
    with pytest.raises(UnsupportedAsset):
        await shop.debit(user_id, "1000", "o-2", fiat_currency="INR", asset="BTC")
    assert shop.balance(user_id) == (Decimal("87.5"), 0)


async def test_a_currency_is_taken_of_the_asset_of_which_there_is_most(shop: Shop) -> None:
    user_id = await shop.person(100)
    await shop.top_up(user_id, 1, asset="BTC")
    for symbol, price in (("USDT", "1"), ("INR", "80"), ("BTC", "0.00001")):
        shop.price(symbol, price)
    taken = await shop.debit(user_id, "8000", fiat_currency="INR")
    assert (taken.asset, taken.amount, taken.rate) == ("BTC", "0.001", "8000000")
    named = await shop.debit(user_id, "8000", "o-2", fiat_currency="INR", asset="USDT")
    assert (named.asset, named.amount) == ("USDT", "100")


async def test_a_rate_that_is_too_old_takes_nothing(shop: Shop) -> None:
    user_id = await shop.person(100)
    shop.price("USDT", "1")
    shop.price("INR", "80", age=timedelta(minutes=16))
    with pytest.raises(RateTooOld) as refused:
        await shop.debit(user_id, "1000", fiat_currency="INR")
    assert (refused.value.status, refused.value.code) == (503, "provider_unavailable")
    assert refused.value.retry_after_seconds
    # The control: a rate one minute younger is accepted, and a repeat succeeds whatever the rate is by then.
    shop.books.owner.execute("UPDATE exchange_rates SET as_of = now() - interval '14 minutes'")
    taken = await shop.debit(user_id, "1000", fiat_currency="INR")
    shop.books.owner.execute("UPDATE exchange_rates SET as_of = now() - interval '16 minutes'")
    assert await shop.debit(user_id, "1000", fiat_currency="INR") == taken


async def test_debits_are_listed_newest_first_page_by_page(shop: Shop) -> None:
    user_id, other = await shop.person(100), await shop.person(100)
    made = [await shop.debit(user_id, 1, f"o-{number}") for number in range(5)]
    elsewhere = await shop.debit(other, 1, "x")
    first, cursor = await views.page(PROGRAM, limit=4)
    rest, end = await views.page(PROGRAM, limit=4, cursor=cursor)
    assert [*first, *rest] == [elsewhere, *reversed(made)]
    assert end is None
    assert (await views.page(PROGRAM, user_id=other))[0] == [elsewhere]
    assert (await views.page(PROGRAM, reference="o-3"))[0] == [made[3]]
    with pytest.raises(ValidationFailed):
        await views.page(PROGRAM, cursor="nonsense")


# A debit of 90: whether it was a hold, the moves made, and the amounts then on hold and spent.
STATES: dict[str, tuple[bool, list[tuple[str, int | None]], int, int]] = {
    "posted": (False, [], 0, 90),
    "held": (True, [], 90, 0),
    "captured in part": (True, [("capture", 30)], 60, 30),
    "captured whole": (True, [("capture", None)], 0, 90),
    "released": (True, [("release", None)], 0, 0),
    "captured in part and released": (True, [("capture", 30), ("release", None)], 0, 30),
    "expired": (True, [("expire", None)], 0, 0),
    "captured in part and expired": (True, [("capture", 30), ("expire", None)], 0, 30),
    "reversed in part": (False, [("reverse", 20)], 0, 70),
    "reversed whole": (False, [("reverse", None)], 0, 0),
    "captured and reversed in part": (True, [("capture", 30), ("reverse", 10)], 60, 20),
}


async def _debit_in(shop: Shop, user_id: str, state: str, reference: str) -> DebitView:
    is_hold, before, _held, _spent = STATES[state]
    debit = await (shop.hold if is_hold else shop.debit)(user_id, 90, reference)
    for number, (earlier, amount) in enumerate(before):
        if earlier == "expire":
            shop.expire(debit)
            assert await release_expired() == 1
        else:
            await shop.move(debit, earlier, amount, f"b-{number}")
    return await views.get(PROGRAM, debit.id)


async def test_every_state_takes_exactly_what_the_table_of_debits_allows(
    shop: Shop, subtests: pytest.Subtests
) -> None:
    for state in STATES:
        with subtests.test(state):
            await _matches_the_table(shop, state)


async def _matches_the_table(shop: Shop, state: str) -> None:
    _is_hold, _before, held, spent = STATES[state]
    user_id = await shop.person(90 * 8)
    debit = await _debit_in(shop, user_id, state, str(list(STATES).index(state)))
    funds = shop.balance(user_id)
    allowed: list[tuple[Move, int | None]] = []
    for what in Move:
        left = spent if what is Move.REVERSE else held
        allowed += [(what, None), (what, left if what is Move.RELEASE else 1)] if left else []
        refusals = [left + 1, *([1] if what is Move.RELEASE and left else []), *([] if left else [None, 1])]
        for amount in refusals:
            with pytest.raises(MoreThanLeft) as refused:
                await shop.move(debit, what, amount)
            assert (refused.value.status, refused.value.code) == (422, "amount_out_of_limits")
            assert refused.value.extra["max"] == str(left)
    assert await views.get(PROGRAM, debit.id) == debit  # A refused move changes nothing.
    assert shop.balance(user_id) == funds
    for number, (what, amount) in enumerate(allowed):
        debit = await _debit_in(shop, user_id, state, f"{debit.reference}-{number}")
        available, on_hold = shop.balance(user_id)
        after = await shop.move(debit, what, amount)
        gone = amount or (spent if what is Move.REVERSE else held)
        to_user, of_hold = (0 if what is Move.CAPTURE else gone), (0 if what is Move.REVERSE else gone)
        assert shop.balance(user_id) == (available + to_user, on_hold - of_hold)
        assert Decimal(after.held_amount) == held - of_hold


async def test_a_move_of_too_many_decimals_is_refused(shop: Shop) -> None:
    user_id = await shop.person(100)
    held = await shop.hold(user_id, 90)
    for what in Move:
        with pytest.raises(ApplicationError) as refused:
            await shop.move(held, what, "0.0000000000000000001")
        assert refused.value.code == "validation_failed"
