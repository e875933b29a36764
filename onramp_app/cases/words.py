"""The kinds of case: why a person must look. Pure; docs/money.md is the specification of this list."""

from enum import StrEnum


class CaseKind(StrEnum):
    """Why a person must look.

    `HELD` is open exactly while money of the top-up is held, and `SUSPENSE` while money of the order has no
    owner. `IN_REVIEW` is a top-up in review of which nothing was booked. `NOT_FOUND` is a payment that a
    webhook announced and no read of the provider has shown, however often reading was repeated.
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
