"""What is known of one top-up, and the verdict on it: were they charged, and should they pay?

Pure, and in the words of the public contract (docs/money.md). Every sentence about these two questions is
chosen by the verdict, so no two of them can disagree.
"""

from dataclasses import dataclass
from enum import StrEnum

UNPAID = ("created", "awaiting_payment")
ENDED_UNPAID = ("canceled", "expired", "failed")
# With one of these reasons the provider has delivered something, so it was paid.
_DELIVERED = (
    "wrong_address",
    "wrong_asset",
    "over_limit",
    "over_delivery",
    "account_frozen",
    "kyc_rejected",
    "amount_unreadable",
    "chain_missing",
    "chain_differs",
    "settlement_review",
    "returned",
)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the sentences about a top-up depend on.

    Attributes:
        status: a word of `TopUpStatus`.
        charged: `no`, `unknown` or `yes`, as far as the provider has answered.
        reason: a word of `Reason`, or None in the ordinary course.
        is_offered: the provider's page of it can still be paid.
        progress: the class of the provider's order that the top-up follows (`providers.status`), None
            without one.
        is_late: its money arrived after it had ended.
        asset: the code of what is bought.
    """

    status: str
    charged: str = "no"
    reason: str | None = None
    is_offered: bool = True
    progress: str | None = None
    is_late: bool = False
    asset: str = ""


class Charged(StrEnum):
    """Whether the person's money left them and stayed away, as far as that is known."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


class Pay(StrEnum):
    """What to do about paying for it."""

    OPEN = "open"  # Nobody has paid, and the offer stands.
    WAIT = "wait"  # Nobody knows whether it was paid.
    NOT_AGAIN = "not_again"  # It was paid.
    ANOTHER = "another"  # It is over without money, and a new top-up is safe.
    OVER = "over"  # Nothing is left to pay.


def charged_of(at: Situation) -> Charged:
    """Return the answer to "was I charged?"."""
    if at.status in ("processing", "settled", "reversed"):
        return Charged.YES
    if at.status == "failed" and at.charged != Charged.UNKNOWN:
        # An operator closed it as refunded or as never charged. Either way its owner has the money.
        return Charged.NO
    if at.status == "in_review" and at.reason in _DELIVERED:
        return Charged.YES
    return Charged(at.charged)


def pay_of(at: Situation) -> Pay:
    """Return the answer to "should I pay?"."""
    charged = charged_of(at)
    if at.status in ("settled", "reversed"):
        return Pay.OVER
    if charged is Charged.YES:
        return Pay.NOT_AGAIN
    if charged is Charged.UNKNOWN or at.status == "in_review":
        return Pay.WAIT
    return Pay.OPEN if at.status in UNPAID and at.is_offered else Pay.ANOTHER
