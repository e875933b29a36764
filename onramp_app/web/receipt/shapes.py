"""What the page of a receipt's check remembers, all words already made.

Frozen and of primitives only: states are pickled between events, so the names here never move.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class CheckedLine:
    """One line of a receipt; `is_code` asks for a monospaced font."""

    label: str
    value: str
    is_code: bool


@dataclass(frozen=True)
class Checked:
    """What the check found: `verdict` is `genuine`, `changed`, `unknown`, `unasked` or `later`.

    The other members are those of `receipts.check.CheckedReceipt`; empty where nothing was found.
    """

    verdict: str = ""
    title: str = ""
    statement: str = ""
    head: str = ""
    lines: list[CheckedLine] = field(default_factory=list)
