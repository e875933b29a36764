"""The words of the books: kinds of accounts, of transfers and of links in the hash chain. Pure.

docs/money.md is the specification of these lists.
"""

from enum import StrEnum


class AccountKind(StrEnum):
    """What a ledger account is for. The kind decides which sign its balance may have."""

    TREASURY = "treasury"
    AVAILABLE = "available"
    HELD = "held"
    OWED = "owed"
    SUSPENSE = "suspense"
    PAYABLE = "payable"
    INCOME = "income"
    ADJUSTMENTS = "adjustments"


class TransferKind(StrEnum):
    """What a transfer books, one word for each row of the table of entries."""

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


class ChainedKind(StrEnum):
    """What a row of the hash chain covers."""

    TRANSFER = "transfer"
    AUDIT = "audit"
