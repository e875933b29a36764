"""The words of verification: who says something about a person, and what a person can do next."""

from enum import StrEnum


class Source(StrEnum):
    """Who said it: a signed read of the provider, an operator with a reason, or the person."""

    PROVIDER = "provider"
    OPERATOR = "operator"
    USER = "user"


class Line(StrEnum):
    """How the provider verifies people.

    `WHITE_LABEL`: at an address of its own, and we may ask how that stands. `WIDGET`: inside its payment
    page, and it tells us nothing.
    """

    WHITE_LABEL = "white_label"
    WIDGET = "widget"


class NextStep(StrEnum):
    """What a person can do about their verification now."""

    START = "start"
    CONTINUE = "continue"
    RAISE = "raise"
    TRY_AGAIN = "try_again"
    WAIT = "wait"
    CONTACT_SUPPORT = "contact_support"
    NOTHING = "nothing"
