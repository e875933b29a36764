"""The states and limits of debits. Pure; docs/money.md says what each state means in the books."""

from enum import StrEnum

MAX_DESCRIPTION = 140
MAX_METADATA = 4000


class DebitStatus(StrEnum):
    """The status of a debit: `HELD` while a part of it is on hold, `RELEASED` if none of it was spent."""

    POSTED = "posted"
    HELD = "held"
    RELEASED = "released"
