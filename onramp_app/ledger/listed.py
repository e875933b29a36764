"""Which ledger transfers a person's list of transactions shows beside the top-ups. Pure."""

from collections.abc import Mapping
from enum import StrEnum

from onramp_app.ledger.words import TransferKind


class TransactionKind(StrEnum):
    """The kinds of transaction, in the words of the public contract."""

    TOP_UP = "top_up"
    REVERSAL = "reversal"
    ADJUSTMENT = "adjustment"
    DEBIT = "debit"


# Receiving, releasing and attributing are the top-up itself, and remitting, setting off and counting are
# between the operator and the provider.
LISTED: Mapping[TransferKind, TransactionKind] = {
    TransferKind.REVERSE: TransactionKind.REVERSAL,
    TransferKind.UNDO_REVERSE: TransactionKind.REVERSAL,
    TransferKind.RETURN: TransactionKind.REVERSAL,
    TransferKind.RECOVER: TransactionKind.ADJUSTMENT,
    TransferKind.MAKE_GOOD: TransactionKind.ADJUSTMENT,
    TransferKind.WRITE_OFF: TransactionKind.ADJUSTMENT,
    TransferKind.DEBIT: TransactionKind.DEBIT,
}
# The condition of the index that serves the list, word for word: a query must repeat it to be served.
LISTED_CONDITION = f"kind IN ({', '.join(repr(kind.value) for kind in sorted(LISTED))})"
