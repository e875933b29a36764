"""What the home page remembers, all words already made.

Frozen and of primitives only: states are pickled between events, so the names here never move.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class BalanceShown:
    """The large amount: `head` and `tail` are drawn in two sizes, `words` is the same for screen readers.

    `second` stands below the amount; `rates_note` says in a few words what is wrong with the rates, which
    are of `rates_as_of`.
    """

    head: str = ""
    tail: str = ""
    words: str = ""
    second: str = ""
    rates_note: str = ""
    rates_as_of: str = ""


@dataclass(frozen=True)
class WorthOnDay:
    """One row of the table of the line: a moment, and the balance from then on in words."""

    at: str
    worth: str


@dataclass(frozen=True)
class BalanceLine:
    """The balance over time as SVG paths in a box of 600 by 100; empty where there is nothing to draw.

    `top` and `half` are the amounts at the upper edge of the box and at its middle, `zero` at its lower edge;
    `begins` and `middle` are the moments at its left edge and its middle. `is_short`: all of it is of two
    days, so that times of day tell the moments apart. `rows` are the same figures, oldest first.
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
    """An open top-up. `step` of `steps` are done; 0 where nobody can say how far it is."""

    top_up_id: str
    title: str
    text: str
    action: str
    step: int
    steps: int


@dataclass(frozen=True)
class Several:
    """The line that several open top-ups are folded to; empty where there are fewer than two."""

    title: str = ""
    text: str = ""


@dataclass(frozen=True)
class Repeat:
    """The last top-up once more: `search` is the query of the wizard, empty before the first top-up."""

    title: str = ""
    search: str = ""


@dataclass(frozen=True)
class AssetRow:
    """One asset of the balance. The last four are sentences, empty where there is nothing."""

    code: str
    name: str
    amount: str
    worth: str
    arriving: str
    held: str
    reserved: str
    owed: str
