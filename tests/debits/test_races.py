"""Concurrent requests: a reference debits once, and nobody spends more than they have."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from onramp_app.debits import views
from onramp_app.debits.errors import MoreThanLeft
from onramp_app.domain.errors import ApplicationError
from onramp_app.ledger.errors import InsufficientFunds
from tests.debits.shop import PROGRAM, Shop, as_a_program_does
from tests.ledger.books import findings

AT_ONCE = 32


async def _all(*requests: Awaitable[Any]) -> tuple[list[Any], list[ApplicationError]]:
    """Return the answers and the refusals of concurrent requests; any other error fails the test."""
    done = await asyncio.gather(*requests, return_exceptions=True)
    refused = [one for one in done if isinstance(one, ApplicationError)]
    answered = [one for one in done if not isinstance(one, BaseException)]
    assert len(answered) + len(refused) == len(done), done
    return answered, refused


async def test_32_racing_debits_with_one_reference_debit_once(shop: Shop) -> None:
    user_id = await shop.person(100)
    answered, refused = await _all(*(as_a_program_does(shop, user_id, 3, "o-1") for _ in range(AT_ONCE)))
    assert refused == []
    assert len({view.id for view in answered}) == 1
    assert all(view == answered[0] for view in answered)
    assert shop.balance(user_id) == (97, 0)
    assert shop.kinds() == ["debit"]


async def test_control_a_program_that_looks_first_and_names_each_try_anew_debits_more_than_once(
    shop: Shop,
) -> None:
    user_id = await shop.person(100)

    async def check_then_debit(number: int) -> None:
        if not (await views.page(PROGRAM, user_id=user_id))[0]:
            await as_a_program_does(shop, user_id, 3, f"o-{number}")

    await _all(*(check_then_debit(number) for number in range(AT_ONCE)))
    assert len(shop.kinds()) > 1


async def _spend_halves(shop: Shop) -> tuple[int, list[ApplicationError], str]:
    user_id = await shop.person(100)
    halves = (as_a_program_does(shop, user_id, 50, f"o-{number}") for number in range(AT_ONCE))
    answered, refused = await _all(*halves)
    return len(answered), refused, user_id


async def test_32_racing_debits_of_half_the_balance_succeed_twice(shop: Shop) -> None:
    taken, refused, user_id = await _spend_halves(shop)
    assert taken == 2
    assert {type(one) for one in refused} == {InsufficientFunds}
    assert shop.balance(user_id) == (0, 0)
    assert shop.books.count("debits") == 2


async def test_control_without_the_bound_of_the_database_they_all_succeed(control_shop: Shop) -> None:
    control_shop.books.owner.execute("ALTER TABLE user_balances DROP CONSTRAINT ck_user_balances_available")
    taken, _refused, user_id = await _spend_halves(control_shop)
    assert taken == AT_ONCE
    assert control_shop.balance(user_id) == (100 - 50 * AT_ONCE, 0)
    assert {finding.rule for finding in await findings()} >= {"account_sign"}


async def test_racing_captures_and_reversals_never_move_more_than_there_is(shop: Shop) -> None:
    user_id = await shop.person(100)
    held = await shop.hold(user_id, 90)
    answered, refused = await _all(*(shop.move(held, "capture", 40, f"c-{n}") for n in range(8)))
    assert (len(answered), {type(one) for one in refused}) == (2, {MoreThanLeft})
    answered, refused = await _all(*(shop.move(held, "reverse", 30, f"r-{n}") for n in range(8)))
    assert (len(answered), {type(one) for one in refused}) == (2, {MoreThanLeft})
    answered, refused = await _all(*(shop.move(held, "release", None, "end") for n in range(8)))
    assert (len(answered), refused) == (8, [])
    assert shop.balance(user_id) == (80, 0)
