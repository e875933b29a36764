"""The words of the books: kinds of accounts, of transfers and of links in the hash chain. Pure.

docs/money.md is the specification of these lists.
"""

from collections.abc import Mapping
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
    """What a transfer books, one word for each row of the tables of entries and of debits."""

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
    DEBIT_HOLD = "debit_hold"
    DEBIT_CAPTURE = "debit_capture"
    DEBIT_RELEASE = "debit_release"
    DEBIT_REVERSE = "debit_reverse"
    COUNT = "count"


class ChainedKind(StrEnum):
    """What a row of the hash chain covers."""

    TRANSFER = "transfer"
    AUDIT = "audit"


class TransactionKind(StrEnum):
    """The kinds of transaction, in the words of the public contract."""

    TOP_UP = "top_up"
    REVERSAL = "reversal"
    ADJUSTMENT = "adjustment"
    DEBIT = "debit"


DEBIT_KINDS = (
    TransferKind.DEBIT,
    TransferKind.DEBIT_HOLD,
    TransferKind.DEBIT_CAPTURE,
    TransferKind.DEBIT_RELEASE,
    TransferKind.DEBIT_REVERSE,
)

# Receiving, releasing and attributing are the top-up itself, and remitting, setting off and counting are
# between the operator and the provider. The line of a hold says what became of it, so its release has none.
LISTED: Mapping[TransferKind, TransactionKind] = {
    TransferKind.REVERSE: TransactionKind.REVERSAL,
    TransferKind.UNDO_REVERSE: TransactionKind.REVERSAL,
    TransferKind.RETURN: TransactionKind.REVERSAL,
    TransferKind.RECOVER: TransactionKind.ADJUSTMENT,
    TransferKind.MAKE_GOOD: TransactionKind.ADJUSTMENT,
    TransferKind.WRITE_OFF: TransactionKind.ADJUSTMENT,
    TransferKind.DEBIT: TransactionKind.DEBIT,
    TransferKind.DEBIT_HOLD: TransactionKind.DEBIT,
    TransferKind.DEBIT_CAPTURE: TransactionKind.DEBIT,
    TransferKind.DEBIT_REVERSE: TransactionKind.REVERSAL,
}


# The condition of the index that serves the list, word for word: a query must repeat it to be served.
LISTED_CONDITION = f"kind IN ({', '.join(repr(kind.value) for kind in sorted(LISTED))})"
