"""What the state of the receipt check holds, with all text already composed.

Frozen, and made of primitives only. States are pickled between events, so no class may be renamed or moved.
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

    The other fields are those of `receipts.check.CheckedReceipt`, empty where nothing was found.
    """

    verdict: str = ""
    title: str = ""
    statement: str = ""
    head: str = ""
    lines: list[CheckedLine] = field(default_factory=list)
