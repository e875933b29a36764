"""The classes that the provider's status numbers and texts fall into. Pure: no input or output.

The three flows share numbers with different meanings (4 is "delivered" when buying, "crypto sold" when
selling), so every question needs the flow. Source: docs/money.md and the provider's documentation.
"""

from collections.abc import Iterable
from enum import StrEnum


class Flow(StrEnum):
    """The kind of an order; only `BUY` orders belong to top-ups."""

    BUY = "buy"
    SELL = "sell"
    SWAP = "swap"


class StatusClass(StrEnum):
    """How far a buy order has come. `rank` orders progress; failures and `UNKNOWN` have rank 0."""

    OPENED = "opened"
    CLAIMED = "claimed"
    PAID = "paid"
    BUYING = "buying"
    BOUGHT = "bought"
    SENDING = "sending"
    DELIVERED = "delivered"
    TIMED_OUT = "timed_out"
    ABANDONED = "abandoned"
    NAME_MISMATCH = "name_mismatch"
    AMOUNT_MISMATCH = "amount_mismatch"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """Return 10 (opened) to 70 (delivered), or 0 for a failure and for `UNKNOWN`."""
        return _RANKS.get(self, 0)


_RANKS = {
    StatusClass.OPENED: 10,
    StatusClass.CLAIMED: 20,
    StatusClass.PAID: 30,
    StatusClass.BUYING: 40,
    StatusClass.BOUGHT: 50,
    StatusClass.SENDING: 60,
    StatusClass.DELIVERED: 70,
}
_BUY_CLASSES = {
    0: StatusClass.OPENED,
    1: StatusClass.CLAIMED,
    2: StatusClass.PAID,
    10: StatusClass.PAID,
    11: StatusClass.BUYING,
    12: StatusClass.BUYING,
    3: StatusClass.BOUGHT,
    13: StatusClass.BOUGHT,
    14: StatusClass.SENDING,
    4: StatusClass.DELIVERED,
    15: StatusClass.DELIVERED,
    5: StatusClass.DELIVERED,
    16: StatusClass.DELIVERED,
    -1: StatusClass.TIMED_OUT,
    -2: StatusClass.ABANDONED,
    -3: StatusClass.NAME_MISMATCH,
    -4: StatusClass.AMOUNT_MISMATCH,
}

_WHITE_LABEL_CLASSES = {
    "FIAT_DEPOSIT_RECEIVED": StatusClass.PAID,
    "TRADE_COMPLETED": StatusClass.BOUGHT,
    "ON_CHAIN_INITIATED": StatusClass.SENDING,
    "ON_CHAIN_COMPLETED": StatusClass.DELIVERED,
}

# Words looked for in the reasons of a white-label FAILED. The provider publishes no list, so a reason that
# does not plainly match one of them stays unknown: a person looks at it, and no meaning is guessed.
_FAILURE_WORDS = (
    ("NAME_MISMATCH", StatusClass.NAME_MISMATCH),
    ("AMOUNT_MISMATCH", StatusClass.AMOUNT_MISMATCH),
    ("TIMED_OUT", StatusClass.TIMED_OUT),
    ("TIMEOUT", StatusClass.TIMED_OUT),
    ("ABANDONED", StatusClass.ABANDONED),
)


def status_class(flow: Flow, number: int | None) -> StatusClass | None:
    """Return the class of a status number.

    None for sell and swap orders: they are only recorded, and without a class they cannot move money.
    A missing or unlisted number of a buy order is `UNKNOWN`, never a success.
    """
    match flow:
        case Flow.BUY:
            return StatusClass.UNKNOWN if number is None else _BUY_CLASSES.get(number, StatusClass.UNKNOWN)
        case Flow.SELL | Flow.SWAP:
            return None


def white_label_status_class(
    flow: Flow, text: str, *, failure_reasons: Iterable[str] = ()
) -> StatusClass | None:
    """Return the class of a white-label status text; `FAILED` is classed by its reasons.

    Case, spaces and hyphens do not matter ("TRADE COMPLETED" occurs). None for sell and swap orders.
    """
    match flow:
        case Flow.SELL | Flow.SWAP:
            return None
        case Flow.BUY:
            word = _plain(text)
            if word != "FAILED":
                return _WHITE_LABEL_CLASSES.get(word, StatusClass.UNKNOWN)
            words = [_plain(reason) for reason in failure_reasons]
            found = {known for key, known in _FAILURE_WORDS if any(key in word for word in words)}
            return found.pop() if len(found) == 1 else StatusClass.UNKNOWN


def _plain(text: str) -> str:
    return "_".join(text.replace("-", " ").replace("_", " ").upper().split())


class HealthState(StrEnum):
    """How well the provider answers."""

    OK = "ok"
    SLOW = "slow"
    AWAY = "away"
