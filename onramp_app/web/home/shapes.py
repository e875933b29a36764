"""What the home page remembers, all words already made.

Frozen and of primitives only: states are pickled between events, so the names here never move.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class BalanceShown:
    """The large amount: `head` and `tail` are drawn in two sizes, `words` is the same for screen readers.

    `second` stands below the amount; `rates_note` says what is wrong with the rates of `rates_as_of`.
    """

    head: str = ""
    tail: str = ""
    words: str = ""
    second: str = ""
    rates_note: str = ""
    rates_as_of: str = ""


@dataclass(frozen=True)
class BalanceLine:
    """The balance over time as SVG paths in a box of 600 by 100; empty where there is nothing to draw."""

    line: str = ""
    area: str = ""
    words: str = ""
    begins: str = ""


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
class AssetRow:
    """One asset of the balance. `arriving`, `held` and `owed` are sentences, empty where there is nothing."""

    code: str
    name: str
    amount: str
    worth: str
    arriving: str
    held: str
    owed: str
