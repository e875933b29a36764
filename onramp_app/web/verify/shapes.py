"""What the page of verification remembers, all words already made.

Frozen and of primitives only: states are pickled between events, so the names here never move.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LimitLine:
    """One limit: whose it is and what it counts, how much it is, what is left, and what raises it."""

    label: str
    limit: str
    left: str
    used_percent: int
    raised: str
    is_binding: bool


@dataclass(frozen=True)
class VerifyPage:
    """Where somebody stands, in words.

    `kind` is empty before it is known, else a status or `widget`; `action` is what the button says, nothing
    where there is none. `tone` is that of the tag. `mail_address` is that of support, `reference` what
    to quote.
    """

    kind: str = ""
    title: str = ""
    text: str = ""
    what_now: str = ""
    tag: str = ""
    tone: str = ""
    action: str = ""
    needs_phone: bool = False
    may_change_phone: bool = False
    asks_support: bool = False
    mail_address: str = ""
    reference: str = ""


NOT_READ = VerifyPage()
