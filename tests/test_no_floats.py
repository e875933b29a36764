"""Money never becomes a float: neither in the code that handles it nor in the columns of its tables."""

import ast
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "onramp_app"
MONEY = (
    "ledger/*.py",
    "domain/money.py",
    "top_ups/transitions.py",
    "providers/status.py",
    "*/tables.py",
    "db/columns.py",
)


def _floats(source: str) -> list[str]:
    """Return the places in a source that make or name a float: the type, a literal, a division, `round`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id="float" | "round" as name):
                found.append(f"{node.lineno}: {name}")
            case ast.Constant(value=float(value)):
                found.append(f"{node.lineno}: {value}")
            case ast.BinOp(op=ast.Div()):
                found.append(f"{node.lineno}: /")
            case (
                ast.Name(id="Float" | "REAL" | "Double" as name)
                | ast.Attribute(attr="Float" | "Double" as name)
            ):
                found.append(f"{node.lineno}: {name}")
            case _:
                pass
    return found


def test_no_money_path_holds_a_float() -> None:
    paths = sorted(path for pattern in MONEY for path in PACKAGE.glob(pattern))
    assert len(paths) > 12
    found = {path.name: floats for path in paths if (floats := _floats(path.read_text()))}
    assert found == {}


def test_control_floats_are_noticed() -> None:
    for source in (
        "a = 0.1",
        "a = float(b)",
        "a = b / c",
        "a = round(b, 2)",
        "a: float",
        "c = Column(Float)",
    ):
        assert _floats(source), source


def test_no_column_is_a_float(database: str) -> None:
    with psycopg.connect(database) as connection:
        columns = connection.execute(
            "SELECT table_name || '.' || column_name, data_type, numeric_precision, numeric_scale"
            " FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
    assert len(columns) > 150
    assert [name for name, kind, _, _ in columns if kind in ("real", "double precision", "money")] == []
    minor = [column for column in columns if column[0].endswith("_minor")]
    assert len(minor) >= 6
    assert {column[1:] for column in minor} == {("numeric", 38, 0)}


_TYPED = """
from onramp_app.domain.environment import Environment
from onramp_app.ledger.instructions import UserAmount
UserAmount(Environment.LIVE, "u", "USDT", {amount})
"""


@pytest.mark.full  # `mypy` runs separately from the tests anyway
def test_the_types_refuse_a_float_as_an_amount(tmp_path: Path) -> None:
    amounts = {"whole": "1", "fraction": "1.5", "quotient": "1 / 2"}
    for name, amount in amounts.items():
        (tmp_path / f"{name}.py").write_text(_TYPED.format(amount=amount))
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *(tmp_path / f"{name}.py" for name in amounts)],
        cwd=PACKAGE.parent, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    lines = checked.stdout.splitlines()
    refused = [Path(line.partition(":")[0]).stem for line in lines if 'type "float"; expected "int"' in line]
    assert sorted(refused) == ["fraction", "quotient"], checked.stdout
    assert lines[-1].startswith("Found 2 errors in 2 files (checked 3"), checked.stdout
