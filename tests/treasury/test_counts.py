"""Treasury counts are compared with their day's books, and the difference is booked once, on request."""

import asyncio
import json
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db import engine
from onramp_app.domain.clock import now
from onramp_app.domain.errors import Forbidden, ValidationFailed
from onramp_app.ledger import instructions as ledger
from onramp_app.ledger.balances import TreasuryTotal, treasury_totals
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.mandate import Mandate
from onramp_app.treasury import counts as treasury_counts
from onramp_app.treasury.counts import Count, TreasuryReport, compare, read_counts
from tests.desk import REASON, Desk
from tests.ledger.books import BY_POLL, post_now

USDT = 10**18
ACCOUNT = "treasury:matic20:0xaaaa:USDT"


def _today() -> date:
    return now().date()


def _counted(amount: str, on: date | None = None, *, address: str = "0xaaaa", asset: str = "USDT") -> Count:
    return Count("matic20", address, asset, Decimal(amount), on or _today())


def _json(**changes: Any) -> bytes:
    row = {"network": "matic20", "address": "0xaaaa", "asset": "USDT", "amount": "1.5", "date": "2026-03-31"}
    return json.dumps([{**row, **changes}]).encode()


def test_json_and_csv_tell_the_same() -> None:
    csv = b"\xef\xbb\xbfdate,asset,amount,network,address\r\n2026-03-31,USDT,1.5,matic20,0xaaaa\r\n"
    assert read_counts(csv) == read_counts(_json()) == [_counted("1.5", date(2026, 3, 31))]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (_json(amount=1.5), "must be text"),
        (_json(amount=1), "must be text"),
        (_json(amount="1e3"), "must be digits"),
        (_json(amount="-1"), "must be digits"),
        (_json(amount="NaN"), "must be digits"),
        (_json(amount="1,5"), "must be digits"),
        (_json(amount="\u0661"), "must be digits"),
        (_json(amount="0." + "1" * 19), "must be digits"),
        (_json(amount="1" * 39), "must be digits"),
        (_json(date="31.03.2026"), "must look like"),
        (_json(date="2026-02-30"), "day"),
        (_json(date="9999-01-01"), "in the future"),
        (_json(memo="7"), "must have exactly"),
        (b'[{"network": "matic20"}]', "must have exactly"),
        (b"[7]", "must have exactly"),
        (b"[" + _json()[1:-1] + b"," + _json(amount="2")[1:], "counted twice"),
        (b"network,address,asset,amount,date\nmatic20,0xaaaa,USDT,1.5\n", "must be text"),
        (b"network,address,asset,amount,date\nmatic20,0xaaaa,USDT,1.5,2026-03-31,7\n", "must have exactly"),
    ],
)
def test_a_count_that_cannot_be_read_is_named(content: bytes, why: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        read_counts(content)
    (error,) = refused.value.errors
    assert error.field in ("count 1", "count 2")
    assert why in error.message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "first line of a CSV"),
        (b"[]", "1 to 1000 counts"),
        (b"[" * 100_000, "not JSON"),
        (b'{"network": "matic20"}', "first line of a CSV"),
        (b"\xff", "not UTF-8"),
        (b"network,address\n", "first line of a CSV"),
        (b'network,address,asset,amount,date\n"matic20', "not CSV"),
        (b" " * (treasury_counts.MAX_FILE_BYTES + 1), "larger than"),
        (b"network,address,asset,amount,date\n" + b"a,b,c,1,2026-03-31\n" * 1001, "1 to 1000 counts"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes, why: str) -> None:
    with pytest.raises(ValidationFailed, match=why):
        read_counts(content)


async def test_without_a_difference_nothing_is_booked(desk: Desk) -> None:
    await desk.settled(10 * USDT)
    before = desk.everything()
    report = await compare([_counted("10.00")], mandate=desk.mandate)
    assert report.is_even
    assert [(one.account, one.book, one.counted, one.missing) for one in report.compared] == [
        (ACCOUNT, "10", "10", "0")
    ]
    assert desk.everything() == before


async def test_a_difference_is_shown_and_booked_only_on_request(desk: Desk) -> None:
    await desk.settled(10 * USDT)
    before = desk.everything()
    report = await compare([_counted("10.5")])
    assert (report.is_even, report.compared[0].missing, report.compared[0].reference) == (False, "-0.5", None)
    assert desk.everything() == before
    report = await compare([_counted("10.5")], mandate=desk.mandate)
    reference = f"count:{ACCOUNT}:{_today().isoformat()}"
    assert (report.is_even, report.compared[0].reference) == (True, reference)
    accounts = desk.books.accounts()
    assert accounts[ACCOUNT] == 10 * USDT + USDT // 2
    assert accounts["operator:USDT:adjustments"] == -USDT // 2
    assert desk.audit() == [(desk.operator_id, "treasury.count", ACCOUNT)]
    booked = desk.books.owner.execute(
        "SELECT reference, source, actor, reason, environment FROM ledger_transfers WHERE kind = 'count'"
    ).fetchall()
    assert booked == [(reference, "operator", desk.operator_id, REASON, "simulator")]


async def test_a_difference_is_booked_once_for_an_account_and_day(desk: Desk) -> None:
    await desk.settled(10 * USDT)
    await compare([_counted("11")], mandate=desk.mandate)
    before = desk.everything()
    again = await compare([_counted("11")], mandate=desk.mandate)
    assert (again.is_even, again.compared[0].missing, again.compared[0].reference) == (True, "0", None)
    for other in ("12", "11.5"):  # the same difference again, and a different one
        with pytest.raises(ActionNotPossible, match=f"booked for {_today()} before"):
            await compare([_counted(other)], mandate=desk.mandate)
    assert desk.everything() == before


async def test_a_day_is_compared_with_the_book_at_its_end_and_later_days_know_its_count(desk: Desk) -> None:
    await desk.settled(10 * USDT)  # This is today, so yesterday's books are empty.
    yesterday = _today() - timedelta(days=1)
    report = await compare([_counted("3", yesterday)], mandate=desk.mandate)
    assert (report.compared[0].book, report.compared[0].missing) == ("0", "-3")
    assert (await compare([_counted("0", yesterday - timedelta(days=1))])).is_even
    report = await compare([_counted("12.5")], mandate=desk.mandate)
    assert (report.compared[0].book, report.compared[0].missing) == ("13", "0.5")
    assert desk.books.accounts()[ACCOUNT] == 12 * USDT + USDT // 2
    assert (await compare([_counted("3", yesterday)])).is_even


async def test_what_the_books_do_not_know_is_refused_with_all_of_its_file(desk: Desk) -> None:
    await desk.settled(10 * USDT)
    before = desk.everything()
    for wrong, why in (
        (_counted("1", address="0xbbbb"), "no such treasury account"),
        (_counted("1", asset="BTC"), "no such treasury account"),
    ):
        with pytest.raises(ValidationFailed) as refused:
            await compare([_counted("11"), wrong], mandate=desk.mandate)
        assert [error.field for error in refused.value.errors] == ["count 2"]
        assert why in refused.value.errors[0].message
    with pytest.raises(Forbidden):
        await compare([_counted("11")], mandate=Mandate(desk.books.user(), REASON, "x"))
    assert desk.everything() == before


async def test_more_decimals_than_the_asset_has_are_refused_and_nothing_is_rounded(desk: Desk) -> None:
    await _deliver(desk, desk.books.top_up(desk.books.user(), asset="USDC"))
    with pytest.raises(ValidationFailed) as refused:
        await compare([_counted("1.0000001", asset="USDC")])
    assert "more than 6 decimals" in refused.value.errors[0].message


async def _deliver(desk: Desk, top_up_id: str) -> None:
    delivery = desk.books.delivery(1_000_000, asset="USDC", top_up_id=top_up_id)
    desk.books.settle(top_up_id, 1_000_000, asset="USDC")
    user_id = desk.owner_of(top_up_id)
    await post_now(ledger.receive_available(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_POLL))


async def test_an_account_that_nobody_counted_is_named(desk: Desk) -> None:
    await desk.settled(10 * USDT)
    await _deliver(desk, desk.books.top_up(desk.books.user(), asset="USDC"))
    report = await compare([_counted("10")])
    assert report.not_counted == ["treasury:matic20:0xaaaa:USDC"]


async def test_a_day_before_a_booked_one_is_closed(desk: Desk) -> None:
    """Yesterday's surplus is part of today's difference: booking it again would count it twice."""
    await desk.settled(10 * USDT)
    await compare([_counted("11")], mandate=desk.mandate)
    before = desk.everything()
    yesterday = _counted("1", _today() - timedelta(days=1))
    with pytest.raises(ActionNotPossible, match=f"booked for {_today()} before: count a later day"):
        await compare([yesterday], mandate=desk.mandate)
    assert (await compare([yesterday])).compared[0].missing == "-1"
    assert desk.everything() == before


async def _two_days_at_once(desk: Desk) -> int:
    """Let two operators book the same surplus of 1, which exists since yesterday. Returns the balance."""
    counts = [_counted("1", _today() - timedelta(days=1)), _counted("11")]
    await asyncio.gather(
        *(compare([count], mandate=desk.mandate_of(desk.operator())) for count in counts),
        return_exceptions=True,
    )
    return desk.books.accounts()[ACCOUNT]


async def test_counts_of_two_days_at_once_book_their_difference_once(desk: Desk) -> None:
    await desk.settled(10 * USDT)
    assert await _two_days_at_once(desk) == 11 * USDT


async def test_control_without_the_lock_the_difference_is_booked_twice(
    control_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await control_desk.settled(10 * USDT)
    both_looked, looks = asyncio.Barrier(2), []

    async def slow(db: AsyncSession, *, on: date | None = None) -> Sequence[TreasuryTotal]:
        totals = await treasury_totals(db, on=on)
        if on is not None:
            looks.append(on)
            if 2 < len(looks) <= 4:  # The first two calls only compare.
                await both_looked.wait()
        return totals

    monkeypatch.setattr(treasury_counts, "_ONE_AT_A_TIME", text("SELECT 1"))
    monkeypatch.setattr(treasury_counts, "treasury_totals", slow)
    assert await _two_days_at_once(control_desk) == 12 * USDT


async def test_all_the_books_may_take_longer_than_a_request(desk: Desk, database: str) -> None:
    await desk.settled(10 * USDT)

    async def look_as_a_request_of_one_second() -> TreasuryReport:
        engine.work_as(engine.Purpose(share=1, wait_seconds=5, statement_seconds=1))
        return await compare([_counted("10")])

    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE ledger_entries IN ACCESS EXCLUSIVE MODE")
        looking = asyncio.create_task(look_as_a_request_of_one_second())
        await asyncio.sleep(1.3)
    assert (await looking).is_even
