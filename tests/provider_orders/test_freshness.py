"""The time until which our record of a top-up is known to be complete is never too late."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from onramp_app.provider_orders.freshness import fresh_until, note_read
from onramp_app.provider_orders.walks import RECENT
from tests import rows
from tests.ledger.books import NOW, Books

LATER = NOW + timedelta(days=1)


@pytest.fixture
def books(database: str) -> Books:
    return Books(database)


def _top_up(books: Books, status: str, *, changed_at: datetime = NOW) -> tuple[SimpleNamespace, str]:
    user_id = books.user()
    top_up_id = books.top_up(user_id)
    books.owner.execute(
        "UPDATE top_ups SET status = %s, charged = 'no', rank = 0 WHERE id = %s", (status, top_up_id)
    )
    rows.step(books.owner, top_up_id, at=changed_at, status=status)
    return SimpleNamespace(user_id=user_id), top_up_id


async def test_before_anything_was_read_it_is_known_since_it_was_begun(books: Books) -> None:
    assert await fresh_until(*_top_up(books, "canceled")) == NOW


async def test_what_is_open_is_known_as_of_the_last_read(books: Books) -> None:
    await note_read([1], LATER)
    assert await fresh_until(*_top_up(books, "created")) == LATER


async def test_a_read_of_another_currency_says_nothing(books: Books) -> None:
    await note_read([2], LATER)
    assert await fresh_until(*_top_up(books, "created")) == NOW


async def test_what_has_ended_is_known_for_as_long_as_it_is_still_read(books: Books) -> None:
    ended = NOW + timedelta(minutes=10)
    top_up = _top_up(books, "canceled", changed_at=ended)
    await note_read([1], ended + timedelta(minutes=1))
    assert await fresh_until(*top_up) == ended + timedelta(minutes=1)
    await note_read([1], LATER)
    assert await fresh_until(*top_up) == ended + RECENT


async def test_somebody_elses_is_not_known(books: Books) -> None:
    _owner, top_up_id = _top_up(books, "created")
    assert await fresh_until(SimpleNamespace(user_id=books.user()), top_up_id) is None
