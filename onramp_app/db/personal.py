"""Reads what is stored about one person, for the data file that they can download: list by list, in pages.

Each context declares for its tables, column by column, what its lists show. A column added later is not shown
until somebody decides, and a test requires that decision in docs/privacy.md.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute
from onramp_app.domain.money import amount_text, decimal_text

# Limits the memory that a page takes: one provider order alone may be 64 KiB.
AT_ONCE = 200
_COLUMN = re.compile(r"\b([a-z_]+)\.([a-z_]+)\b")
_SCALE = "assets.scale"

Shown = dict[str, object]


def _columns(*expressions: str) -> set[tuple[str, str]]:
    return {(table, column) for one in expressions for table, column in _COLUMN.findall(one)}


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of rows in the file. All texts are SQL made of constants.

    Attributes:
        name: the name of the list in the file.
        shows: the SQL expression for each name that a row has in the file, with columns as `table.column`.
        source: the tables of these columns, as a `FROM` clause.
        order: columns that order the rows uniquely.
        amounts: like `shows`, for amounts in minor units of the asset that `source` joins as `assets`. The
            file shows them in whole units.
    """

    name: str
    shows: Mapping[str, str]
    source: str
    order: tuple[str, ...]
    amounts: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> set[tuple[str, str]]:
        """The columns that the list shows, as (table, column) pairs."""
        return _columns(*self.shows.values(), *self.amounts.values())

    def selected(self, *more: str) -> str:
        """Return the SELECT and FROM of the query; `more` expressions follow those that are shown."""
        chosen = [*self.shows.values(), *self.amounts.values(), *((_SCALE,) if self.amounts else ()), *more]
        # The parts are constants of the code.
        return f"SELECT {', '.join(chosen)} FROM {self.source}"  # noqa: S608  # nosec B608

    def shown(self, row: Sequence[object]) -> Shown:
        """Return a row as a mapping from the file's names to values, without the further expressions."""
        values = dict(zip(self.shows, map(_value, row), strict=False))
        minor = dict(zip(self.amounts, row[len(self.shows) :], strict=False))
        scale = row[len(self.shows) + len(self.amounts)] if self.amounts else 0
        return values | {name: _amount(value, scale) for name, value in minor.items()}


@dataclass(frozen=True, slots=True)
class Inner(Rows):
    """A list inside each row of another list; `by` is the column that refers to the outer row."""

    by: str = ""


@dataclass(frozen=True, slots=True)
class Part(Rows):
    """A top-level list of the file. `whose` is the condition that selects the rows of `:user_id`.

    `id` is the column by which the inner lists (`lists`) refer to its rows.
    """

    whose: str = ""
    id: str = ""
    lists: tuple[Inner, ...] = ()

    @property
    def all_columns(self) -> set[tuple[str, str]]:
        """The columns that this list and those inside it show."""
        return self.columns.union(*(inner.columns for inner in self.lists))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and the cursor after which the next page begins; None on the last page."""

    rows: list[Shown]
    after: tuple[object, ...] | None


async def read_page(
    db: AsyncSession, part: Part, user_id: str, after: tuple[object, ...] | None = None
) -> Page:
    """Return up to `AT_ONCE` rows of a list after a cursor, with their inner lists."""
    places = [f":after_{number}" for number in range(len(part.order))]
    beyond = f" AND ({', '.join(part.order)}) > ({', '.join(places)})" if after is not None else ""
    statement = (
        part.selected(*part.order, part.id or "NULL")
        + f" WHERE {part.whose}{beyond} ORDER BY {', '.join(part.order)} LIMIT :most"
    )
    values = {f"after_{number}": value for number, value in enumerate(after or ())}
    found = (await execute(db, text(statement), {"user_id": user_id, "most": AT_ONCE, **values})).all()
    rows = [part.shown(row) for row in found]
    if part.lists and rows:
        around = {row[-1]: shown for row, shown in zip(found, rows, strict=True)}
        for inner in part.lists:
            await _read_inside(db, inner, user_id, around)
    if len(found) < AT_ONCE:
        return Page(rows, None)
    return Page(rows, tuple(found[-1][-1 - len(part.order) : -1]))


async def _read_inside(db: AsyncSession, inner: Inner, user_id: str, around: Mapping[object, Shown]) -> None:
    lists: dict[object, list[Shown]] = {row_id: [] for row_id in around}
    statement = (
        inner.selected(inner.by)
        + f" WHERE {inner.by} = ANY(CAST(:ids AS text[])) ORDER BY {', '.join(inner.order)}"
    )
    values = {"ids": list(around)} | ({"user_id": user_id} if ":user_id" in statement else {})
    for row in await execute(db, text(statement), values):
        lists[row[-1]].append(inner.shown(row))
    for row_id, shown in around.items():
        shown[inner.name] = lists[row_id]


def _value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return decimal_text(value) if isinstance(value, Decimal) else value


def _amount(minor: object, scale: object) -> str | None:
    return None if minor is None else amount_text(int(str(minor)), scale=int(str(scale)))
