"""Expired holds cannot be captured, and each is released once, however many processes check."""

import asyncio

import pytest

from onramp_app.debits import views
from onramp_app.debits.errors import MoreThanLeft
from onramp_app.debits.expiry import keep_releasing, release_expired
from onramp_app.debits.views import DebitView
from tests.debits.shop import PROGRAM, Shop


async def test_a_hold_whose_time_is_up_is_not_captured_even_before_it_is_released(shop: Shop) -> None:
    user_id = await shop.person(100)
    held = await shop.hold(user_id, 90)
    shop.expire(held)
    for what in ("capture", "release"):
        with pytest.raises(MoreThanLeft):
            await shop.move(held, what)
    assert shop.balance(user_id) == (10, 90)
    assert await release_expired() == 1
    assert (await views.get(PROGRAM, held.id)).status == "released"
    assert shop.balance(user_id) == (100, 0)
    assert shop.books.owner.execute(
        "SELECT reference, source, actor FROM ledger_transfers WHERE kind = 'debit_release'"
    ).fetchone() == ("debit:shop:o-1:release", "clock", None)


async def test_only_what_is_left_of_a_hold_expires_and_only_in_its_time(shop: Shop) -> None:
    user_id = await shop.person(100)
    held, later = await shop.hold(user_id, 50), await shop.hold(user_id, 40, "o-2")
    await shop.move(held, "capture", 30)
    assert await release_expired() == 0
    shop.expire(held)
    assert await release_expired() == 1
    after = await views.get(PROGRAM, held.id)
    assert (after.status, after.posted_amount, after.released_amount) == ("posted", "30", "20")
    assert (await views.get(PROGRAM, later.id)) == later


async def test_any_number_of_processes_release_each_hold_once(shop: Shop) -> None:
    user_id = await shop.person(100)
    for number in range(10):
        shop.expire(await shop.hold(user_id, 5, f"o-{number}"))
    counts = await asyncio.gather(*(release_expired() for _ in range(6)))
    assert sum(counts) == 10
    assert shop.kinds().count("debit_release") == 10
    assert shop.balance(user_id) == (100, 0)


async def test_the_loop_releases_by_itself(shop: Shop) -> None:
    user_id = await shop.person(100)
    shop.expire(await shop.hold(user_id, 90))
    loop = asyncio.create_task(keep_releasing())
    try:
        for _ in range(500):
            if shop.balance(user_id) == (100, 0):
                break
            await asyncio.sleep(0.02)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    assert shop.balance(user_id) == (100, 0)


async def test_a_capture_and_the_clock_that_meet_share_the_money(shop: Shop) -> None:
    user_id = await shop.person(100)
    for number in range(5):
        held = await shop.hold(user_id, 10, f"o-{number}")

        async def capture(debit: DebitView) -> bool:
            try:
                await shop.move(debit, "capture", 4)
            except MoreThanLeft:
                return False
            return True

        async def expire(debit: DebitView) -> None:
            shop.expire(debit)
            await release_expired()

        captured, _ = await asyncio.gather(capture(held), expire(held))
        await release_expired()  # The capture may have held the row's lock.
        after = await views.get(PROGRAM, held.id)
        assert (after.posted_amount, after.released_amount) == (("4", "6") if captured else ("0", "10"))
