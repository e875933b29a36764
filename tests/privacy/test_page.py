"""docs/privacy.md says what the code does with every table and column, and a change of either is noticed."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import MetaData, Table

from onramp_app.accounts.views import ACCOUNT
from onramp_app.privacy.export import PARTS
from onramp_app.running.retention import RULES
from onramp_app.schema import METADATA

PAGE = Path(__file__).parent.parent.parent / "docs" / "privacy.md"


def rows_of(page: str, heading: str) -> dict[str, list[str]]:
    """Return the rows of the table below a heading, by the name in the first cell."""
    chapter = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in chapter.splitlines()
        if line.startswith("|")
    ]
    return {row[0].strip("`"): row[1:] for row in cells if row[0].startswith("`")}


def _names(cell: str) -> list[str]:
    return re.findall(r"[a-z_]+", cell.partition(":")[0])


def _shown() -> dict[str, set[str]]:
    columns = ACCOUNT.all_columns.union(*(part.all_columns for part in PARTS))
    return {table: {c for t, c in columns if t == table} for table, _ in columns}


def differences(page: str, tables: dict[str, list[str]]) -> list[str]:
    """Return where the page differs from the schema, the export and the retention rules."""
    stored, columns = rows_of(page, "What is stored"), rows_of(page, "Every column")
    found = [f"{name}: in the schema or on the page only" for name in sorted(set(stored) ^ set(tables))]
    found += [f"{name}: in one table of the page only" for name in sorted(set(stored) ^ set(columns))]
    found += [f"{name}: a cell is empty" for name, row in stored.items() if not all(row)]
    for name in sorted(set(columns) & set(tables)):
        shown, held_back, others = map(_names, columns[name])
        if sorted([*shown, *held_back, *others]) != sorted(tables[name]):
            found.append(f"{name}: not each column once")
        if set(shown) != _shown().get(name, set()):
            found.append(f"{name}: the file shows other columns")
        if held_back and ":" not in columns[name][1]:
            found.append(f"{name}: no reason why something is not in the file")
    for rule in RULES:
        name = str(rule.table.__tablename__)
        if rule.kept not in stored.get(name, ["", "", ""])[2]:
            found.append(f"{name}: kept {rule.kept}, which the page does not say")
    ruled = {str(rule.table.__tablename__) for rule in RULES}
    found += [
        f"{name}: nothing deletes it by that rule"
        for name, row in stored.items()
        if "RETENTION_DAYS" in row[2] and name not in ruled
    ]
    return found


def _tables(metadata: MetaData = METADATA) -> dict[str, list[str]]:
    return {name: [column.name for column in table.columns] for name, table in metadata.tables.items()}


def test_the_page_says_what_is_stored() -> None:
    assert differences(PAGE.read_text(), _tables()) == []


def _with_table(tables: dict[str, list[str]]) -> None:
    tables["shoe_sizes"] = ["user_id", "size"]


def _with_column(tables: dict[str, list[str]]) -> None:
    tables["users"].append("shoe_size")


def _without_column(tables: dict[str, list[str]]) -> None:
    tables["users"].remove("country")


@pytest.mark.parametrize("change", [_with_table, _with_column, _without_column])
def test_a_change_of_the_schema_is_noticed(change: Callable[[dict[str, list[str]]], None]) -> None:
    tables = _tables()
    change(tables)
    assert differences(PAGE.read_text(), tables) != []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("| `spent_challenges` | hashes of", "| `spent_answers` | hashes of"),
        ("| id, email, email_confirmed_at,", "| id, email_confirmed_at,"),
        ("password_hash: proves", "closed_at: proves"),
        ("sealed_secret: makes codes", "sealed_secret"),
        ("`RETENTION_DAYS` after they were used", "a year"),
        ("| until the next one | everybody |", "| `RETENTION_DAYS` | everybody |"),
        ("| 24 hours | you |", "| | you |"),
    ],
)
def test_a_page_that_says_something_else_is_noticed(old: str, new: str) -> None:
    page = PAGE.read_text()
    assert old in page
    assert differences(page.replace(old, new), _tables()) != []


def test_a_table_that_names_a_person_is_in_the_file_or_says_why_not() -> None:
    """Every table that references an account has a column in the file, or a reason why not."""
    columns = rows_of(PAGE.read_text(), "Every column")

    def points_to_a_person(table: Table) -> bool:
        return any(key.column.table.name == "users" for key in table.foreign_keys)

    silent = [
        name
        for name, table in METADATA.tables.items()
        if points_to_a_person(table) and not any(map(_names, columns[name][:2]))
    ]
    assert silent == []
