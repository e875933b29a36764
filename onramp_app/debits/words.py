"""The words of debits. Pure; docs/money.md says what each one books."""

from enum import StrEnum

MAX_DESCRIPTION = 140
MAX_METADATA = 4000


class DebitStatus(StrEnum):
    """How a debit stands: `HELD` while something is on hold, `RELEASED` where nothing was spent of it."""

    POSTED = "posted"
    HELD = "held"
    RELEASED = "released"
