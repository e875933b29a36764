"""Finds a person's transactions by what people know about them: reference, id, order, hash, amount, method.

Each meaning of a search text is looked up in its own index, in the order of the list, so a page of results
costs the same however long the list is. Only the amounts of ledger transfers have no index: of those, the
newest `MOST_TRANSFERS` are examined.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    DateTime,
    Numeric,
    Select,
    Text,
    TextClause,
    bindparam,
    column,
    exists,
    func,
    select,
    text,
    true,
)
from sqlalchemy.orm import aliased
from sqlalchemy.types import TypeEngine
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute
from onramp_app.domain.money import MAX_MINOR
from onramp_app.domain.paging import Position
from onramp_app.ledger.assets import scales
from onramp_app.ledger.tables import LedgerTransfer
from onramp_app.ledger.words import LISTED_CONDITION
from onramp_app.pricing.names import method_name
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.wallet.transaction_queries import Filters, moved, within

MAX_LENGTH = 128
MOST_TRANSFERS = 1_000
MOST_METHODS = 50
_MOST_AMOUNTS = 50  # different amounts that look the same on the page, such as 11.25 and 11.2534
_LEAST_LETTERS = 2
_SHOWN_DECIMALS = 2
_REFERENCE = re.compile(r"([0-9A-F]{4})[-\s\u2010-\u2015]?([0-9A-F]{4})", re.IGNORECASE | re.ASCII)
# Ids and hex hashes, in which case does not matter. In hashes with other letters it does.
_HEX = re.compile(r"(?:0x)?[0-9A-F]{32,64}", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[0-9][0-9.,'\u2019 ]{0,40}", re.ASCII)
_UNIT = re.compile(r"[A-Z][A-Z0-9]{2,9}", re.ASCII)
_MAX_DIGITS = 30


@dataclass(frozen=True, slots=True)
class TypedAmount:
    """One reading of a typed amount: the number, how many decimals were typed, and a currency code or ""."""

    number: Decimal
    decimals: int
    unit: str


@dataclass(frozen=True, slots=True)
class Meanings:
    """What a search text may mean. `exact`: the text itself (hex in lower case), for ids, orders, hashes."""

    exact: str
    reference: str = ""
    amounts: tuple[TypedAmount, ...] = ()
    word: str = ""


def meanings_of(typed: str) -> Meanings:
    """Return what a search text may mean, with one amount for each way to read its separators."""
    plain = " ".join(typed.split())[:MAX_LENGTH]
    reference = _REFERENCE.fullmatch(plain)
    letters = re.sub(r"[\W_]+", " ", plain).strip()
    return Meanings(
        exact=plain.lower() if _HEX.fullmatch(plain) else plain,
        reference="".join(reference.groups()).lower() if reference else "",
        amounts=tuple(_amounts(plain)),
        word=letters.casefold() if sum(c.isalpha() for c in letters) >= _LEAST_LETTERS else "",
    )


def _amounts(plain: str) -> Iterable[TypedAmount]:
    # Currency symbols are dropped, because several currencies share one.
    text_without = re.sub(r"[^\w.,'\u2019 ]", "", plain, flags=re.ASCII).strip().upper()
    unit = ""
    for part in (text_without.partition(" ")[0], text_without.rpartition(" ")[2]):
        if _UNIT.fullmatch(part):
            unit = part
            text_without = text_without.removeprefix(part).removesuffix(part).strip()
            break
    if not _NUMBER.fullmatch(text_without):
        return
    seen = set()
    for number in _readings(re.sub(r"['\u2019 ]", "", text_without)):
        if sum(c.isdigit() for c in number) <= _MAX_DIGITS and number not in seen:
            seen.add(number)
            yield TypedAmount(Decimal(number), len(number.partition(".")[2]), unit)


def _readings(number: str) -> Iterable[str]:
    """Yield the ways to read points and commas: the last one as the decimal separator, or all as grouping."""
    whole, sign, end = number.rpartition("," if number.rfind(",") > number.rfind(".") else ".")
    if not sign:
        yield number
        return
    without = re.sub(r"[.,]", "", number)
    other = "." if sign == "," else ","
    if sign not in whole and end:
        yield f"{whole.replace(other, '')}.{end}"
    if re.fullmatch(r"[0-9]{1,3}(?:[.,][0-9]{2,3})*[.,][0-9]{3}", number) and other not in number:
        yield without


# Conditions of the other filters, each used only if given: one plan for all combinations would use no index.
_CONDITIONS = {
    "status": "t.status = :status",
    "asset": "t.asset = :asset",
    "method": "t.payment_method = :method",
    "since": "t.created_at >= :since",
    "before": "t.created_at < :before",
    "after_id": "(t.created_at, t.id) < (:after_at, :after_id)",
}
_REFERENCES = "right(t.id, 8) = :reference"
_EACH_AMOUNT = "unnest(:numbers, :units) AS a (number, unit)"
_EACH_RANGE = "unnest(:low, :high, :assets) AS a (low, high, asset)"
# Few distinct amounts look the same: the index is skipped from one to the next, each read in list order.
_ALIKE = f"""{_EACH_RANGE} CROSS JOIN LATERAL (
  WITH RECURSIVE alike (minor, n) AS (
    (SELECT t.received_minor, 1 FROM top_ups t
      WHERE t.user_id = :user_id AND t.received_minor >= a.low AND t.received_minor < a.high
      ORDER BY t.received_minor LIMIT 1)
    UNION ALL
    SELECT (SELECT t.received_minor FROM top_ups t
             WHERE t.user_id = :user_id AND t.received_minor > alike.minor AND t.received_minor < a.high
             ORDER BY t.received_minor LIMIT 1), n + 1
      FROM alike WHERE alike.minor IS NOT NULL AND n < {_MOST_AMOUNTS})
  SELECT minor FROM alike WHERE minor IS NOT NULL) m"""  # noqa: S608 - a number of ours  # nosec B608
# The parts of the search for top-ups: the values that each part looks for, and its condition.
_PARTS = {
    "reference": ("unnest(ARRAY[true]) AS a", _REFERENCES),
    "fiat": (_EACH_AMOUNT, "t.fiat_amount = a.number AND a.unit IN ('', t.fiat_currency)"),
    "paid": (_EACH_AMOUNT, "t.paid_amount = a.number"),
    "received": (_ALIKE, "t.received_minor = m.minor AND t.received_asset = a.asset AND t.asset = a.asset"),
    "methods": ("unnest(:methods) AS a (code)", "t.payment_method = a.code"),
}
_TYPES: Mapping[str, TypeEngine[Any]] = {
    "numbers": ARRAY(Numeric),
    "units": ARRAY(Text),
    "low": ARRAY(Numeric),
    "high": ARRAY(Numeric),
    "assets": ARRAY(Text),
    "methods": ARRAY(Text),
    "since": DateTime(timezone=True),
    "before": DateTime(timezone=True),
    "after_at": DateTime(timezone=True),
}
_METHODS = text("""
WITH RECURSIVE used (code, n) AS (
  (SELECT payment_method, 1 FROM top_ups WHERE user_id = :user_id ORDER BY payment_method LIMIT 1)
  UNION ALL
  SELECT (SELECT payment_method FROM top_ups
           WHERE user_id = :user_id AND payment_method > used.code ORDER BY payment_method LIMIT 1), n + 1
    FROM used WHERE used.code IS NOT NULL AND n < :most)
SELECT code FROM used WHERE code IS NOT NULL
""")


async def methods_used(db: AsyncSession, user_id: str) -> list[str]:
    """Return the distinct payment methods of a person's top-ups, as the provider's codes."""
    return list((await execute(db, _METHODS, {"user_id": user_id, "most": MOST_METHODS})).scalars())


async def found_ids(
    db: AsyncSession, user_id: str, filters: Filters, *, after: Position | None, limit: int
) -> set[str]:
    """Return the ids that `filters.search` finds for one page, by everything except exact ids and orders.

    These are the newest `limit` matches after the position that also satisfy the other filters.
    """
    meanings = meanings_of(filters.search or "")
    values, parts = await _asked(db, user_id, meanings)
    given: dict[str, Any] = {
        "status": filters.status.value if filters.status else None,
        "asset": filters.asset,
        "method": filters.method,
        "since": filters.since,
        "before": filters.before,
        "after_at": after.created_at if after else None,
        "after_id": after.id if after else None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    page = {"user_id": user_id, "most": limit}
    found: list[tuple[datetime, str]] = []
    if parts:
        rows = await execute(db, _top_ups(parts, frozenset(given)), values | given | page)
        found += [(row.created_at, row.id) for row in rows]
    if filters.status in (None, TopUpStatus.SETTLED) and filters.method is None:
        for query in _transfers(frozenset(values), frozenset(given)):
            rows = await execute(db, query, values | given | page)
            found += [(row.created_at, row.id) for row in rows]
    return {one for _at, one in sorted(found, reverse=True)[:limit]}


async def _asked(
    db: AsyncSession, user_id: str, meanings: Meanings
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the query's parameters for the meanings, and the names of the parts (`_PARTS`) that use them."""
    values: dict[str, Any] = {}
    parts: list[str] = []
    if meanings.reference:
        values["reference"] = meanings.reference
        parts.append("reference")
    if meanings.amounts:
        values["numbers"] = [amount.number for amount in meanings.amounts]
        values["units"] = [amount.unit for amount in meanings.amounts]
        parts += ["fiat", "paid"]
        if ranges := _ranges(meanings.amounts, await scales(db)):
            values["low"], values["high"], values["assets"] = map(list, zip(*ranges, strict=True))
            parts.append("received")
    if meanings.word:
        used = await methods_used(db, user_id)
        if methods := [code for code in used if _is_called(code, meanings.word)]:
            values["methods"] = methods
            parts.append("methods")
    return values, tuple(parts)


def _ranges(amounts: Iterable[TypedAmount], known: dict[str, int]) -> list[tuple[Decimal, Decimal, str]]:
    """Return the ranges of minor units, by asset, in which an amount is shown as what was typed.

    Pages truncate amounts: 11.2534 is shown as 11.25. An amount typed with more decimals is matched to them.
    """
    ranges = []
    for amount in amounts:
        for asset, scale in known.items():
            if amount.unit not in ("", asset) or amount.decimals > scale:
                continue
            low = amount.number.scaleb(scale)
            high = low + Decimal(1).scaleb(max(scale - max(amount.decimals, _SHOWN_DECIMALS), 0))
            if high <= MAX_MINOR:
                ranges.append((low, high, asset))
    return ranges


def _is_called(code: str, word: str) -> bool:
    plain = re.sub(r"[\W_]+", " ", code).casefold()
    return word in plain or word in method_name(code).casefold()


@lru_cache(maxsize=256)
def _top_ups(parts: tuple[str, ...], given: frozenset[str]) -> TextClause:
    """Return the query for a page of top-ups: each part in the order of its index, then the newest of all.

    It is composed of constants in this file; what was typed is always a parameter.
    """
    others = "".join(f" AND {condition}" for name, condition in _CONDITIONS.items() if name in given)
    page = "ORDER BY t.created_at DESC, t.id DESC LIMIT :most"
    selects = []
    for each, condition in (_PARTS[part] for part in parts):
        found = f"SELECT t.created_at, t.id FROM top_ups t WHERE t.user_id = :user_id AND {condition}"  # noqa: S608 - as above  # nosec B608
        selects.append(
            f"SELECT f.created_at, f.id FROM {each} CROSS JOIN LATERAL ({found}{others} {page}) f"  # noqa: S608 - as above  # nosec B608
        )
    union = " UNION ".join(selects)
    query = text(f"SELECT f.created_at, f.id FROM ({union}) f {page.replace('t.', 'f.')}")  # noqa: S608 - as above  # nosec B608
    return query.bindparams(
        *(bindparam(name, type_=kind) for name, kind in _TYPES.items() if name in query._bindparams)
    )


@lru_cache(maxsize=64)
def _transfers(asked: frozenset[str], given: frozenset[str]) -> tuple[Select[datetime, str], ...]:
    """Return the queries for a page of ledger transfers: by reference, and by amount among the newest."""
    queries = []
    if "reference" in asked:
        is_asked = func.right(col(LedgerTransfer.id), 8) == bindparam("reference", type_=Text)
        # Unordered inside the OFFSET: with the order of the list, the planner would scan all the person's
        # transfers, since it does not know how few match a reference.
        found = _listed(given).where(is_asked).order_by(None).offset(0)
        queries.append(_page_of(aliased(LedgerTransfer, found.subquery()), given))
    if "low" in asked:
        # Limited before amounts are summed, so that a long history costs no more.
        newest = aliased(LedgerTransfer, _listed(given).limit(MOST_TRANSFERS).subquery())
        each = (
            func.unnest(*(bindparam(name, type_=_TYPES[name]) for name in ("low", "high", "assets")))
            .table_valued(column("low", Numeric), column("high", Numeric), column("asset", Text))
            .render_derived(name="a")
        )
        change = moved(newest).lateral("moved")
        size = func.abs(change.c.amount_minor)
        is_meant = exists().where(each.c.asset == change.c.asset, size >= each.c.low, size < each.c.high)
        queries.append(_page_of(newest, given, change=change).where(is_meant))
    return tuple(queries)


def _listed(given: frozenset[str]) -> Select[LedgerTransfer]:
    at, row_id = col(LedgerTransfer.created_at), col(LedgerTransfer.id)
    return (
        select(LedgerTransfer)
        .where(
            col(LedgerTransfer.user_id) == bindparam("user_id", type_=Text),
            text(LISTED_CONDITION),
            *within(at, row_id, given),
        )
        .order_by(at.desc(), row_id.desc())
    )


def _page_of(transfer: Any, given: frozenset[str], *, change: Any = None) -> Select[datetime, str]:
    page = select(transfer.created_at, transfer.id)
    if change is None and "asset" in given:
        change = moved(transfer).lateral("moved")
    if change is not None:
        page = page.join(change, true())
    if "asset" in given:
        page = page.where(change.c.asset == bindparam("asset", type_=Text))
    return page.order_by(transfer.created_at.desc(), transfer.id.desc()).limit(bindparam("most"))
