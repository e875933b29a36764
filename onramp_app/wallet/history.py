"""The history of a person's balance: its worth over the last 30 days, all at today's rates.

It is computed backwards from the stored balance through the newest movements, at most 200, so its cost does
not grow with the books.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal, localcontext
from itertools import groupby

from babel.numbers import get_currency_precision
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute
from onramp_app.domain import clock
from onramp_app.domain.money import from_minor
from onramp_app.pricing.rate_book import RateBook
from onramp_app.pricing.rates import rates_into
from onramp_app.wallet.views import WorthPoint

DAYS = 30
MAX_MOVEMENTS = 200  # more steps than a chart of this size can show separately
LEAST_CHANGES = 2  # one change does not make a line
_PRECISION = 60

# One statement, because it sees one snapshot: a balance together with the movements that led to it. The
# OFFSET keeps the planner from reading all entries, which it would estimate as cheaper in books of medium
# size.
HISTORY = text("""
WITH moves AS MATERIALIZED (
    SELECT person.id AS user_id, newest.id, newest.created_at
      FROM unnest(CAST(:user_ids AS text[])) AS person (id)
     CROSS JOIN LATERAL (SELECT id, created_at FROM ledger_transfers
                          WHERE user_id = person.id AND created_at > :since
                          ORDER BY created_at DESC, id DESC LIMIT :most) newest
)
SELECT b.user_id, b.asset, s.scale, CAST(NULL AS timestamptz) AS at, b.available_minor AS minor,
       coalesce(counted.number, 0) AS looked_at
  FROM user_balances b JOIN assets s ON s.code = b.asset
  LEFT JOIN (SELECT user_id, count(*) AS number FROM moves GROUP BY user_id) counted USING (user_id)
 WHERE b.user_id = ANY(CAST(:user_ids AS text[]))
UNION ALL
SELECT m.user_id, a.asset, s.scale, m.created_at, -e.amount_minor, 0
  FROM moves m
  CROSS JOIN LATERAL (SELECT account_id, amount_minor FROM ledger_entries
                       WHERE transfer_id = m.id OFFSET 0) e
  JOIN ledger_accounts a ON a.id = e.account_id AND a.user_id = m.user_id AND a.kind = 'available'
  JOIN assets s ON s.code = a.asset
""")


@dataclass(slots=True)
class Movements:
    """The `available` balance of each asset, and its changes: time, asset, amount in whole units.

    `starts_at` is when the 30 days begin; None if the changes do not reach back that far.
    """

    available: dict[str, Decimal]
    changes: list[tuple[datetime, str, Decimal]]
    starts_at: datetime | None


async def read(db: AsyncSession, user_ids: Collection[str]) -> dict[str, Movements]:
    """Return each user's movements of the last 30 days, at most the newest 200."""
    since = clock.now() - timedelta(days=DAYS)
    values = {"user_ids": list(user_ids), "since": since, "most": MAX_MOVEMENTS}
    found = {user_id: Movements({}, [], since) for user_id in user_ids}
    for user_id, asset, scale, at, minor, looked_at in await execute(db, HISTORY, values):
        movements, amount = found[user_id], from_minor(int(minor), scale=scale)
        if at is not None:
            movements.changes.append((at, asset, amount))
            continue
        movements.available[asset] = amount
        if looked_at >= MAX_MOVEMENTS:
            movements.starts_at = None
    return found


def course(movements: Movements, book: RateBook | None, *, currency: str) -> list[WorthPoint]:
    """Return the worth of what was available over the last 30 days or 200 movements, oldest first.

    Each point holds until the next one, the last one until now. The first point is the balance at the
    beginning of the 30 days or, where that was zero, the first change. Worth is in the given currency at
    today's rates. Empty if fewer than two changes are known or a rate is missing.
    """
    if len({at for at, _asset, _amount in movements.changes}) < LEAST_CHANGES:
        return []
    prices = rates_into(currency, book, movements.available) if book else {}
    if not movements.available.keys() <= prices.keys():
        return []
    with localcontext(prec=_PRECISION):
        total = sum((amount * prices[asset] for asset, amount in movements.available.items()), Decimal(0))
        changes = [(at, amount * prices[asset]) for at, asset, amount in movements.changes]
        return _points(
            total, changes, starts_at=movements.starts_at, decimals=get_currency_precision(currency)
        )


def _points(
    total: Decimal, changes: Iterable[tuple[datetime, Decimal]], *, starts_at: datetime | None, decimals: int
) -> list[WorthPoint]:
    """Compute the points backwards from the total. Without `starts_at` the first is the oldest change."""
    step = Decimal(1).scaleb(-decimals)
    points = []
    newest_first = sorted(changes, key=lambda change: change[0], reverse=True)
    for at, together in groupby(newest_first, key=lambda change: change[0]):
        points.append(WorthPoint(at, _text(total, step)))
        total -= sum((change for _at, change in together), Decimal(0))
    # A wallet that was empty at the beginning has no point there: its line begins with the first change.
    if starts_at is not None and (first := _text(total, step)) != _text(Decimal(0), step):
        points.append(WorthPoint(starts_at, first))
    return points[::-1]


def _text(amount: Decimal, step: Decimal) -> str:
    # A rate truncated to 12 digits can leave slightly less than zero.
    return format(max(amount, Decimal(0)).quantize(step, ROUND_DOWN), "f")
