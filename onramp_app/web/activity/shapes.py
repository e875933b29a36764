"""What the list of activity and the story of one line of it remember, all words already made.

Frozen and of primitives only: states are pickled between events, so the names here never move.
"""

from dataclasses import dataclass, field

from onramp_app.web.words.transactions import ActivityRow


@dataclass(frozen=True)
class ActivityFilter:
    """The filters of the list as the address holds them; empty where nothing was asked for."""

    status: str = ""
    asset: str = ""
    since: str = ""
    before: str = ""
    q: str = ""
    method: str = ""
    search: str = ""


@dataclass(frozen=True)
class Method:
    """A payment method that the person has used: the provider's code, and its name."""

    code: str
    name: str


@dataclass(frozen=True)
class ActivityDay:
    """The lines of one day where the browser is, made there: `at` is the moment of its newest line."""

    day: str
    at: str
    rows: list[ActivityRow]


@dataclass(frozen=True)
class Fact:
    """One line of a list of facts; `note` explains the value, `is_code` asks for a monospaced font.

    `address` is where the value is shown to anybody, outside of this application; empty for none.
    """

    label: str
    value: str
    note: str = ""
    is_code: bool = False
    address: str = ""


@dataclass(frozen=True)
class StoryStep:
    """One line of a timeline: what happened, when, and how we know.

    `is_now` marks the line at which an open top-up stands.
    """

    title: str
    at: str
    source: str
    is_now: bool


@dataclass(frozen=True)
class Story:
    """One top-up or ledger transfer, from beginning to end.

    `head` and `tail` are one amount in two sizes. `next_top_up` is the id of a top-up that is still open, and
    `next_action` the words of the link to it; `again` and `again_address` begin another top-up, where that is
    safe; `top_up_id` is the top-up that a transfer belongs to. `charged` is true as of `as_of`, or for good
    where that is empty. `mail_address` begins a mail to support about it, and `reference` is what to quote.
    `id` is its own, and `check_address` where anybody can check the receipt of it.
    """

    id: str = ""
    check_address: str = ""
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
    mail_address: str = ""
    reference: str = ""
    provider_order: str = ""
    amounts: list[Fact] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    codes: list[Fact] = field(default_factory=list)
    steps: list[StoryStep] = field(default_factory=list)
