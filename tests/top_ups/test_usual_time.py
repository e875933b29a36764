"""How long payments usually take, shown only once enough are known."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from onramp_app.top_ups import usual_time
from onramp_app.top_ups.usual_time import usual_minutes
from tests import rows
from tests.ledger.books import NOW, Books


@pytest.fixture
def books(database: str) -> Iterator[Books]:
    usual_time.forget()
    books = Books(database)
    yield books
    usual_time.forget()


def _settled(books: Books, *seconds: int, method: str = "UPI", is_seen_paid: bool = True, at=NOW) -> None:
    """Write top-ups that took these seconds from paid to settled."""
    user_id = books.user()
    for took in seconds:
        top_up_id = books.top_up(user_id)
        paid_at = at - timedelta(seconds=took)
        # A later step also says paid, and must not count.
        for moment in (paid_at, paid_at + timedelta(seconds=took / 2)) if is_seen_paid else ():
            rows.step(books.owner, top_up_id, at=moment, status_class="paid")
        books.settle(top_up_id, 100)
        books.owner.execute(
            "UPDATE top_ups SET settled_at = %s, payment_method = %s WHERE id = %s", (at, method, top_up_id)
        )


async def test_fewer_than_five_say_nothing(books: Books) -> None:
    _settled(books, 60, 60, 60, 60)
    assert await usual_minutes("UPI") is None


async def test_eight_of_ten_stayed_below_it(books: Books) -> None:
    _settled(books, 20, 40, 60, 80, 100, 120, 140, 200, 3000, 9000)
    assert await usual_minutes("UPI") == 4  # the eighth took 200 seconds


async def test_a_whole_minute_is_not_less_than_itself(books: Books) -> None:
    _settled(books, *[120] * 10)
    assert await usual_minutes("UPI") == 3


async def test_other_methods_and_environments_do_not_count(books: Books) -> None:
    _settled(books, *[60] * 5)
    _settled(books, *[6000] * 20, method="IMPS")
    assert await usual_minutes("UPI") == 2
    assert await usual_minutes("IMPS") == 101
    assert await usual_minutes("no such method") is None
    usual_time.forget()
    books.owner.execute("UPDATE top_ups SET environment = 'sandbox'")
    assert await usual_minutes("UPI") is None


async def test_what_was_never_seen_as_paid_does_not_count(books: Books) -> None:
    _settled(books, *[60] * 4)
    _settled(books, *[60] * 10, is_seen_paid=False)
    assert await usual_minutes("UPI") is None


async def test_only_the_latest_count(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual_time, "LOOKED_AT", 10)
    _settled(books, *[6000] * 10, at=NOW - timedelta(days=1))
    _settled(books, *[30] * 10)
    assert await usual_minutes("UPI") == 1


async def test_the_answer_is_kept_for_a_minute(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    _settled(books, *[30] * 5)
    assert await usual_minutes("UPI") == 1
    _settled(books, *[6000] * 50)
    assert await usual_minutes("UPI") == 1
    monkeypatch.setattr(usual_time, "KEPT_SECONDS", 0)
    assert await usual_minutes("UPI") == 101


async def test_the_latest_are_found_without_walking_the_table(books: Books) -> None:
    books.owner.execute("SET enable_seqscan = off")
    plan = "\n".join(
        row[0]
        for row in books.owner.execute(
            "EXPLAIN SELECT settled_at FROM top_ups WHERE environment = 'simulator'"
            " AND payment_method = 'UPI' AND status = 'settled' ORDER BY settled_at DESC LIMIT 200"
        )
    )
    assert "ix_top_ups_settled_by_method" in plan
    assert "Sort" not in plan
