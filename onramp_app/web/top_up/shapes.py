"""What the state of a top-up's page holds: text and addresses, all composed on the server.

States are pickled between events, so no class here may be renamed or moved.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepLine:
    """One line of the timeline. `state` is `done`, `now` or `next`; `at` is RFC 3339, empty when unknown."""

    title: str
    detail: str
    at: str
    state: str


@dataclass(frozen=True)
class AmountFact:
    """One amount and its label; `exact` has all decimals, and is empty where `amount` has them already."""

    label: str
    amount: str
    exact: str = ""


@dataclass(frozen=True)
class Related:
    """A top-up that belongs to this one: a sentence about it, and its address."""

    words: str
    address: str


@dataclass(frozen=True)
class TopUpPage:
    """One top-up as text.

    `kind` says which view is drawn: `offered`, `moving`, `settled`, `ended`, `review`, `reversed`, `missing`,
    or empty before the first read. `happened`, `charged` and `next` answer "what happened?", "was I charged?"
    and "what now?"; `as_of` (RFC 3339) is the time up to which the second answer is known to be true, empty
    where it cannot change; `warning` is the second answer where it must not be overlooked. `amount` and
    `asset` are what arrived; `amount_label` says where that is. `widget_url` is for a tab of its own and
    `widget_frame_url` for the frame of our page. `code` is a QR code of the page's own address, as the data
    of an SVG path, and `code_size` its width in units. `is_short`: much less arrived than was quoted. `seen`
    says in which block a network shows the delivery, and `seen_address` leads to it.
    """

    id: str = ""
    kind: str = ""
    summary: str = ""
    title: str = ""
    happened: str = ""
    charged: str = ""
    as_of: str = ""
    next: str = ""
    warning: str = ""
    announcement: str = ""
    reference: str = ""
    provider_order: str = ""
    amount_label: str = ""
    amount: str = ""
    amount_decimals: str = ""
    amount_exact: str = ""
    asset: str = ""
    expected: str = ""
    balance: str = ""
    can_cancel: bool = False
    can_start_again: bool = False
    widget_url: str = ""
    widget_frame_url: str = ""
    widget_origin: str = ""
    code: str = ""
    code_size: int = 0
    usual: str = ""
    steps: tuple[StepLine, ...] = ()
    facts: tuple[AmountFact, ...] = ()
    seen: str = ""
    seen_address: str = ""
    notes: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()
    is_short: bool = False
    again_address: str = ""
    story_address: str = ""
    mail_address: str = ""


NOTHING_YET = TopUpPage()
