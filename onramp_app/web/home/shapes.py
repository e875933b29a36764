"""What the state of the home page holds, with all text already composed.

Frozen, and made of primitives only. States are pickled between events, so no class may be renamed or moved.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class BalanceShown:
    """The large amount: `head` and `tail` are drawn in two sizes, `words` is the whole for screen readers.

    `second` is shown below the amount; `rates_note` says in a few words what is wrong with the exchange
    rates, and `rates_as_of` (RFC 3339) how old they are.
    """

    head: str = ""
    tail: str = ""
    words: str = ""
    second: str = ""
    rates_note: str = ""
    rates_as_of: str = ""


@dataclass(frozen=True)
class WorthOnDay:
    """One row of the chart's table: a moment, and the balance from then on, as text."""

    at: str
    worth: str


@dataclass(frozen=True)
class BalanceLine:
    """The balance over time as SVG paths in a box of 600 by 100; empty where there is nothing to draw.

    `top` and `half` are the amounts at the upper edge of the box and at its middle, `zero` at its lower edge;
    `begins` and `middle` are the moments at its left edge and its middle. `is_short`: it covers less than two
    days, so its moments are shown as times of day. `rows` are the same figures, oldest first.
    """

    line: str = ""
    area: str = ""
    words: str = ""
    begins: str = ""
    middle: str = ""
    top: str = ""
    half: str = ""
    zero: str = ""
    is_short: bool = False
    rows: tuple[WorthOnDay, ...] = ()


@dataclass(frozen=True)
class OpenCard:
    """The card of an open top-up. `step` of `steps` are done; 0 where no progress is shown."""

    top_up_id: str
    title: str
    text: str
    action: str
    step: int
    steps: int


@dataclass(frozen=True)
class Several:
    """The line that several open top-ups are folded into; empty for fewer than two."""

    title: str = ""
    text: str = ""


@dataclass(frozen=True)
class Repeat:
    """The offer to repeat the last top-up: `search` is the wizard's query, empty before the first top-up."""

    title: str = ""
    search: str = ""


@dataclass(frozen=True)
class AssetRow:
    """One asset of the balance. The last four fields are sentences, empty where the amount is zero."""

    code: str
    name: str
    amount: str
    worth: str
    arriving: str
    held: str
    reserved: str
    owed: str
