"""Prints the figures as the tables of docs/scaling.md."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Figures = Sequence[Mapping[str, Any]]


def printed(found: Figures) -> str:
    """Return the tables: milliseconds with their ratios, verification, and numbers of rows."""
    return "\n".join([*_times(found), "", *_proofs(found), "", *_rows(found)])


def _head(found: Figures, first: str) -> Iterator[str]:
    yield f"| {first} | " + " | ".join(f"{one['size']:,}" for one in found) + " |"
    yield "|---" * (len(found) + 1) + "|"


def _times(found: Figures) -> Iterator[str]:
    yield from _head(found, "milliseconds, and times as long as with the fewest")
    for name in found[0]["times"]:
        pairs = [one["times"][name] for one in found]
        yield f"| {name} | " + " | ".join(f"{ms:.1f} ({ms / small:.2f})" for small, ms in pairs) + " |"


def _proofs(found: Figures) -> Iterator[str]:
    yield from _head(found, "verify-ledger")
    proofs = [(one["proof"], one["rows"]["ledger_entries"]) for one in found]
    lines = {
        "seconds": [f"{proof['seconds']:,.1f}" for proof, _ in proofs],
        "entries a second": [f"{entries / proof['seconds']:,.0f}" for proof, entries in proofs],
        "the command's memory, MB": [f"{proof['command_mb']:,.0f}" for proof, _ in proofs],
        "PostgreSQL's own memory, MB": [f"{proof['server_mb']:,.0f}" for proof, _ in proofs],
        "its temporary files, MB": [f"{proof['temporary_mb']:,.0f}" for proof, _ in proofs],
    }
    for name, cells in lines.items():
        yield f"| {name} | " + " | ".join(cells) + " |"


def _rows(found: Figures) -> Iterator[str]:
    yield from _head(found, "rows")
    for name in found[0]["rows"]:
        yield f"| `{name}` | " + " | ".join(f"{one['rows'][name]:,}" for one in found) + " |"
    for name in found[0].get("log", ()):
        cells = [f"{one['log'][name]:,.0f}" for one in found]
        yield f"| bytes of the log for {name} | " + " | ".join(cells) + " |"
    yield "| the database, MB | " + " | ".join(f"{one['bytes'] / 2**20:,.0f}" for one in found) + " |"
