"""The worth of a balance over time: right at each step, bounded, and read by index in large books."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg

from onramp_app.db.engine import transaction
from onramp_app.ledger import instructions
from onramp_app.pricing.rate_book import RateBook
from onramp_app.wallet.history import HISTORY, MAX_MOVEMENTS, course, read
from onramp_app.wallet.views import WorthPoint
from tests.ledger.books import BY_OPERATOR, post_now
from tests.recorded_posting import spend

UNIT = 10**18


async def points_of(user_id: str) -> list[WorthPoint]:
    async with transaction() as db:
        movements = (await read(db, [user_id]))[user_id]
    book = RateBook({"USDT": Decimal(1), "INR": Decimal(80)}, datetime.now(UTC))
    return course(movements, book, currency="INR")


async def worths(user_id: str) -> list[str]:
    return [point.worth for point in await points_of(user_id)]


async def test_each_change_is_a_step_and_the_last_is_the_balance(desk):
    user_id = desk.books.user()
    await desk.settled(100 * UNIT, user_id=user_id)
    await desk.settled(50 * UNIT, user_id=user_id)
    await post_now(
        spend("1", desk.books.amount(user_id, 30 * UNIT), cause=BY_OPERATOR)
    )  # fmt: skip
    assert await worths(user_id) == ["8000.00", "12000.00", "9600.00"]


async def test_what_is_held_is_no_part_of_it(desk):
    user_id = desk.books.user()
    await desk.settled(100 * UNIT, user_id=user_id)
    await desk.held(70 * UNIT, user_id=user_id)
    assert await worths(user_id) == []  # one change is no history yet
    await desk.settled(1 * UNIT, user_id=user_id)
    assert await worths(user_id) == ["8000.00", "8080.00"]


async def test_what_came_before_the_time_looked_at_is_where_the_line_begins(control_desk):
    user_id = control_desk.books.user()
    for amount in (100, 50, 25):
        await control_desk.settled(amount * UNIT, user_id=user_id)
    control_desk.books.tamper(
        "UPDATE ledger_transfers SET created_at = now() - interval '40 days'"
        " WHERE id = (SELECT id FROM ledger_transfers ORDER BY created_at LIMIT 1)"
    )
    points = await points_of(user_id)
    assert [point.worth for point in points] == ["8000.00", "12000.00", "14000.00"]
    assert timedelta(days=29) < datetime.now(UTC) - points[0].at < timedelta(days=31)


async def test_a_rate_that_is_missing_draws_nothing_rather_than_a_loss(desk):
    user_id = desk.books.user()
    for asset in ("USDT", "USDC", "USDT"):
        top_up_id = desk.books.top_up(user_id, asset=asset)
        delivery = desk.books.delivery(10**6, asset=asset, top_up_id=top_up_id)
        desk.books.settle(top_up_id, 10**6, asset=asset)
        await post_now(
            instructions.receive_available(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_OPERATOR)
        )
    assert await worths(user_id) == []


_FILL = """
SET session_replication_role = replica;
INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, source, reason,
       created_at)
SELECT lpad(to_hex(n), 32, '0'), 'simulator', 'adjust:' || n, sha256(''), 'make_good', %(user_id)s, 'poll',
       'x', now() - n * interval '1 second'
  FROM generate_series(1, 20000) AS n;
INSERT INTO ledger_entries (transfer_id, account_id, amount_minor)
SELECT lpad(to_hex(n), 32, '0'), (SELECT id FROM ledger_accounts WHERE user_id = %(user_id)s LIMIT 1), -1
  FROM generate_series(1, 20000) AS n;
ANALYZE;
"""


async def test_long_books_are_read_from_indexes_and_only_in_part(control_desk):
    user_id = control_desk.books.user()
    await control_desk.settled(UNIT, user_id=user_id)
    owner: psycopg.Connection = control_desk.books.owner
    for part in _FILL.split(";\n"):
        owner.execute(part.encode(), {"user_id": user_id})
    query = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {HISTORY}"
    for name in ("user_ids", "since", "most"):
        query = re.sub(rf":{name}\b", f"%({name})s", query)
    since = datetime.now(UTC) - timedelta(days=30)
    values = {"user_ids": [user_id], "since": since, "most": MAX_MOVEMENTS}
    plan = "\n".join(line for (line,) in owner.execute(query.encode(), values))
    assert "ix_ledger_transfers_user_id_created_at_id" in plan
    assert not re.search(r"Seq Scan on ledger_(transfers|entries)", plan), plan
    assert int(re.findall(r"shared hit=(\d+)", plan)[0]) < 10 * MAX_MOVEMENTS, plan
    owner.execute("DROP INDEX ix_ledger_transfers_user_id_created_at_id, ix_ledger_transfers_listed")
    plan = "\n".join(line for (line,) in owner.execute(query.encode(), values))
    assert "Seq Scan on ledger_transfers" in plan  # the control: it is the index that keeps it quick
