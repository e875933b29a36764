"""Which cases of an order a new read has answered, so that nobody has to look at them any more."""

from collections.abc import Iterator

from onramp_app.cases.words import CaseKind
from onramp_app.crediting.delivery import JudgedDelivery
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import StatusClass
from onramp_app.top_ups.transitions import Reason

# Cases of an order without an owner; once the order has an owner, its top-up shows the same.
OF_NO_OWNER = (CaseKind.UNKNOWN_STATUS, CaseKind.RECORD_UNREADABLE, CaseKind.NOT_OURS)
# Cases that stand only as long as the network is asked.
OF_NETWORK = (CaseKind.CHAIN_AWAY, CaseKind.CHAIN_MISSING)


def answered_without_owner(order: OrderRecord, judged: JudgedDelivery | None) -> Iterator[CaseKind]:
    """Yield the kinds of case that this read of an order without an owner has answered.

    Args:
        order: the order as read.
        judged: the judgement of its delivery; None if it is not delivered, or booked already.
    """
    if order.status_class != StatusClass.UNKNOWN.value:
        yield CaseKind.UNKNOWN_STATUS
    if judged is not None and judged.reason is not Reason.AMOUNT_UNREADABLE:
        yield CaseKind.RECORD_UNREADABLE
    # An earlier judgement may have lacked the coin or the address, and called the order not ours.
    if judged is not None and judged.place is not None:
        yield CaseKind.NOT_OURS
