"""What the page of a top-up remembers: words and addresses, all made on the server.

States are pickled between events, so the names here never move.
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
    """One amount and its label; `exact` has all decimals, and is empty where `amount` has them itself."""

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
    """One top-up in words.

    `kind` says which picture is drawn: `offered`, `moving`, `settled`, `ended`, `review`, `reversed`,
    `missing`, or nothing before anything was read. `happened`, `charged` and `next` answer what happened, was
    I charged, and what now; `as_of` (RFC 3339) is until when the second answer is known to be true, empty
    where it cannot change; `warning` is the answer that may not be overlooked. `amount` and `asset` stand for
    what arrived; `amount_label` says where it is. `widget_url` is for a tab of its own and
    `widget_frame_url` for the frame of our page. `code` is a QR code of the page's own address as
    the data of an SVG path, `code_size` how many units wide it is. `is_short` says that much less arrived
    than quoted. `seen` says in which block a network shows the delivery, `seen_address` leads to it.
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
