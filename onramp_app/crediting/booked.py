"""The deliveries that a batch has booked, and their log lines, metrics and traces after the commit."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog
from prometheus_client import Histogram

from onramp_app.domain.clock import now
from onramp_app.fleet.changed_people import Credit
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.telemetry import trace
from onramp_app.telemetry.trace import Trace, trace_of
from onramp_app.top_ups.tables import TopUp

_CREDIT_SECONDS = Histogram(
    "credit_seconds",
    "Time from the receipt of the webhook to the commit of what it led to in the books.",
    ["into"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
_log = structlog.get_logger(__name__)


class Into(StrEnum):
    """Into which account of the books a delivery went."""

    AVAILABLE = "available"
    HELD = "held"
    SUSPENSE = "suspense"


@dataclass(frozen=True, slots=True)
class Booked:
    """One booked delivery. `order_id` is the provider's id; `top_up_id` and `user_id` are None in suspense.

    `trace` is the span of the webhook that made the order due, and `hinted_at` is when the webhook was
    received.
    """

    into: Into
    order_id: str
    asset: str | None
    top_up_id: str | None
    user_id: str | None
    trace: Trace | None
    hinted_at: datetime | None

    def note_commit(self, *, began: datetime) -> Credit | None:
        """Log, trace and measure the credit, and return the notice for its owner's pages, if it has an owner.

        Args:
            began: when the delivery's batch began.
        """
        at = now()
        span = trace.begun(self.trace)
        trace.ended(
            span,
            "credit",
            parent=self.trace,
            began=began,
            into=self.into.value,
            top_up_id=self.top_up_id or "",
            order_id=self.order_id,
        )
        _log.info(
            "credited",
            into=self.into.value,
            top_up_id=self.top_up_id,
            order_id=self.order_id,
            asset=self.asset,
            trace_id=span.trace_id,
        )
        if self.hinted_at is not None:
            seconds = max(0.0, (at - self.hinted_at).total_seconds())
            _CREDIT_SECONDS.labels(self.into.value).observe(seconds)
        return Credit(self.user_id, span, at) if self.user_id is not None else None


def booked_of(order: OrderRecord, into: Into, top_up: TopUp | None = None) -> Booked:
    """Return the booked delivery of a judged order: for a top-up, or in suspense without one."""
    return Booked(
        into,
        order.order_id,
        order.asset,
        top_up.id if top_up else None,
        top_up.user_id if top_up else None,
        trace_of(order.trace),
        order.hinted_at,
    )
