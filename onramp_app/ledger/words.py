"""The words of the books: kinds of accounts, of transfers, of what a person must look at. Pure.

docs/money.md is the specification of these lists.
"""

from enum import StrEnum


class Environment(StrEnum):
    """Where an order, and the money of it, comes from. Only `LIVE` is real."""

    SIMULATOR = "simulator"
    SANDBOX = "sandbox"
    LIVE = "live"


class AccountKind(StrEnum):
    """What a ledger account is for; it decides which sign its balance may have."""

    TREASURY = "treasury"
    AVAILABLE = "available"
    HELD = "held"
    OWED = "owed"
    SUSPENSE = "suspense"
    PAYABLE = "payable"
    INCOME = "income"
    ADJUSTMENTS = "adjustments"


class TransferKind(StrEnum):
    """What happened, one word for each row of the table of entries."""

    RECEIVE = "receive"
    RECOVER = "recover"
    ATTRIBUTE = "attribute"
    RELEASE = "release"
    RETURN = "return"
    MAKE_GOOD = "make_good"
    REVERSE = "reverse"
    UNDO_REVERSE = "undo_reverse"
    REMIT = "remit"
    SETOFF = "setoff"
    WRITE_OFF = "write_off"
    DEBIT = "debit"
    COUNT = "count"


class StepSource(StrEnum):
    """Who or what moved a top-up, or caused a transfer."""

    WEBHOOK_READ = "webhook_read"
    POLL = "poll"
    USER = "user"
    OPERATOR = "operator"
    CLOCK = "clock"
    SYSTEM = "system"


class ExceptionKind(StrEnum):
    """Why a person must look.

    `HELD` is open exactly while money of its top-up is held, `SUSPENSE` while its order's money has no
    owner; `IN_REVIEW` is a top-up in review in which nothing was booked. `NOT_FOUND` is a payment that a
    webhook told of and that no read of the provider showed, however often it was repeated.
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


class ChainedKind(StrEnum):
    """What a row of the hash chain covers."""

    TRANSFER = "transfer"
    AUDIT = "audit"
