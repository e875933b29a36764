"""The vocabulary of outgoing webhooks, and the limits for values that programs choose."""

from datetime import timedelta
from enum import StrEnum

MAX_ENDPOINTS = 10  # per program
MAX_URL_LENGTH = 1000
MAX_DESCRIPTION = 140
MAX_ANSWER_BYTES = 4096
MAX_ATTEMPTS_KEPT = 20  # per delivery, the newest ones
# How long an earlier secret may keep signing beside the one that replaces it.
MOST_OVERLAP = timedelta(days=30)


class EventType(StrEnum):
    """What happened, as the `type` of a webhook names it."""

    TOP_UP_SETTLED = "top_up.settled"
    TOP_UP_IN_REVIEW = "top_up.in_review"
    TOP_UP_FAILED = "top_up.failed"
    TOP_UP_REVERSED = "top_up.reversed"
    DEBIT_CREATED = "debit.created"
    DEBIT_REVERSED = "debit.reversed"
    BALANCE_LOW = "balance.low"
    KYC_CHANGED = "kyc.changed"


# The type of the webhook that `webhooks-out send-test` sends; no event is ever stored with it.
TEST_TYPE = "webhook.test"


class DeliveryState(StrEnum):
    """How a delivery stands: `WAITING` until the endpoint takes it, or it is given up."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Disabled(StrEnum):
    """Why nothing is sent to an endpoint."""

    PROGRAM = "program"
    FAILING = "failing"
    GONE = "gone"
    OPERATOR = "operator"
