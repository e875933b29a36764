"""The kinds of case: why a person must look. Pure; docs/money.md is the specification of this list."""

from enum import StrEnum


class CaseKind(StrEnum):
    """Why a person must look.

    `HELD` is open exactly while money of the top-up is held, and `SUSPENSE` while money of the order has no
    owner. `IN_REVIEW` is a top-up in review for which nothing was booked. `NOT_FOUND` is a payment that a
    webhook announced and that no read of the provider has shown, although reading was repeated.
    The last four concern networks that we read ourselves: `CHAIN_DIFFERS` is a delivery of less than the
    provider's record says, or of another amount than was credited by hand; `CHAIN_MISSING` one that is not
    there and belongs to no top-up in review; `CHAIN_LEFT` one that was confirmed and whose block left the
    chain; `CHAIN_AWAY` one that waits because no server answers.
    """

    HELD = "held"
    SUSPENSE = "suspense"
    IN_REVIEW = "in_review"
    NOT_OURS = "not_ours"
    FAILED_AFTER_SETTLED = "failed_after_settled"
    UNKNOWN_STATUS = "unknown_status"
    APPLY_FAILED = "apply_failed"
    RECORD_UNREADABLE = "record_unreadable"
    NOT_FOUND = "not_found"
    CHAIN_DIFFERS = "chain_differs"
    CHAIN_MISSING = "chain_missing"
    CHAIN_LEFT = "chain_left"
    CHAIN_AWAY = "chain_away"
