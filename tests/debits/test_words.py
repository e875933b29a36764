"""What people read about debits: in their activity, in the details, and next to their balance."""

import asyncio
import contextlib

from onramp_app.accounts.sessions import viewer_of
from onramp_app.accounts.tables import User
from onramp_app.accounts.views import Viewer
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.debits.expiry import release_expired
from onramp_app.wallet import announcements, balances, transactions
from onramp_app.wallet.announcements import Announcement, Listening, UsersChanged
from onramp_app.wallet.transaction_queries import Filters
from onramp_app.web.activity.story_words import story_of_transfer
from onramp_app.web.words.transactions import ActivityRow, row_of
from tests.debits.shop import HOUR, Shop


async def _viewer(user_id: str) -> Viewer:
    async with transaction() as db:
        return viewer_of(await db.get_one(User, user_id), "0" * 32)


async def _rows(viewer: Viewer) -> list[ActivityRow]:
    return [row_of(view) for view in (await transactions.page(viewer, Filters()))[0] if view.transfer]


async def test_what_was_spent_is_named_by_the_place_and_what_it_was_for(shop: Shop) -> None:
    viewer, name = await _viewer(await shop.person(100)), get_settings().app_name
    shop.price("USDT", "1")
    shop.price("INR", "80")
    asked = {"fiat_currency": "INR", "description": "Two\u202ecoffees"}
    spent = await shop.debit(viewer.user_id, 400, **asked)
    await shop.move(spent, "reverse", 2)
    back, line = await _rows(viewer)
    assert (line.title, line.direction, line.amount) == (
        f"Spent at {name}: Twocoffees",
        "out",
        "\N{MINUS SIGN}5.00 USDT",
    )
    assert (back.title, back.direction, back.amount) == (
        f"Refund from {name}: Twocoffees",
        "in",
        "+2.00 USDT",
    )
    story = story_of_transfer(await transactions.get_transfer(viewer, line.transaction_id))
    assert story.title == line.title
    assert [fact.value for fact in story.facts][-2:] == ["₹400", "1\N{NO-BREAK SPACE}USDT = ₹80.00"]


async def test_a_hold_is_shown_until_it_is_spent_and_as_released(shop: Shop) -> None:
    viewer, name = await _viewer(await shop.person(100)), get_settings().app_name
    held = await shop.hold(viewer.user_id, 90)
    await shop.move(held, "capture", 30)
    spent, line = await _rows(viewer)
    assert (spent.title, spent.amount) == (f"Spent at {name}", "\N{MINUS SIGN}30.00 USDT")
    assert (line.title, line.tag, line.direction, line.amount) == (
        f"Reserved by {name}",
        "Reserved",
        "open",
        "60.00 USDT",
    )
    (item,) = (await balances.get(viewer)).items
    assert (item.available, item.held, item.reserved) == ("10", "60", "60")
    await shop.move(held, "release")
    assert len(await _rows(viewer)) == 1
    story = story_of_transfer(await transactions.get_transfer(viewer, line.transaction_id))
    assert (story.tag, story.head) == ("Done", "\N{MINUS SIGN}90")
    unused = await shop.hold(viewer.user_id, 5, "o-2")
    await shop.move(unused, "release")
    released, *_ = await _rows(viewer)
    assert (released.tag, released.direction, released.amount) == ("Released", "ended", "5.00 USDT")


async def test_open_pages_hear_of_each_change(shop: Shop) -> None:
    user_id = await shop.person(100)
    heard: asyncio.Queue[Announcement] = asyncio.Queue()

    async def listen() -> None:
        async for announcement in announcements.listen():
            heard.put_nowait(announcement)

    listening = asyncio.create_task(listen())
    changed = UsersChanged(frozenset({user_id}))
    try:
        assert await asyncio.wait_for(heard.get(), 5) == Listening()
        held = await shop.debit(user_id, 9, hold=HOUR)
        assert await asyncio.wait_for(heard.get(), 5) == changed
        await shop.move(held, "capture", 1)
        assert await asyncio.wait_for(heard.get(), 5) == changed
        shop.expire(held)
        assert await release_expired() == 1
        assert await asyncio.wait_for(heard.get(), 5) == changed
        assert heard.empty()
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
