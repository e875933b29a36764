"""What the list of activity and the story of one line of it remember, all words already made.

Frozen and of primitives only: states are pickled between events, so the names here never move.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ActivityFilter:
    """What the list is filtered by, as it stands in the address; all texts, empty where not asked for."""

    status: str = ""
    asset: str = ""
    since: str = ""
    before: str = ""
    q: str = ""


@dataclass(frozen=True)
class Fact:
    """One line of a list of facts; `note` explains it, `is_code` asks for letters of one width."""

    label: str
    value: str
    note: str = ""
    is_code: bool = False


@dataclass(frozen=True)
class StoryStep:
    """One line of a timeline: what happened, when, and how it came to be known.

    `is_now` marks where a top-up stands that is not over.
    """

    title: str
    at: str
    source: str
    is_now: bool


@dataclass(frozen=True)
class Story:
    """One top-up or ledger transfer, from beginning to end.

    `head` and `tail` are one amount in two sizes. `next_top_up` is the top-up to go on with while it is open,
    by what `next_action` says; `again` and `again_address` begin another one, where that is safe; `top_up_id`
    is the top-up that a transfer belongs to. `charged` is true as of `as_of`, or whenever that is empty.
    """

    title: str = ""
    tag: str = ""
    tone: str = ""
    head: str = ""
    tail: str = ""
    unit: str = ""
    at: str = ""
    charged: str = ""
    as_of: str = ""
    text: str = ""
    variance: str = ""
    next_top_up: str = ""
    next_action: str = ""
    again: str = ""
    again_address: str = ""
    top_up_id: str = ""
    is_top_up: bool = False
    amounts: list[Fact] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    codes: list[Fact] = field(default_factory=list)
    steps: list[StoryStep] = field(default_factory=list)
