"""Walks `merchantHistory` to its end, page by page, without trusting the paging it documents."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import structlog

from onramp_app.domain.provider_errors import ProviderAnswerUnreadable
from onramp_app.domain.provider_status import Flow
from onramp_app.providers.onramp.endpoints import MERCHANT_HISTORY
from onramp_app.providers.onramp.orders import read_order
from onramp_app.providers.onramp.transport import Transport
from onramp_app.providers.onramp.wire import Json
from onramp_app.providers.port import HistoryPage, OrderFlow, ProviderOrder

log = structlog.get_logger(__name__)

PAGE_SIZE = 500
MAX_PAGES = 2_000
# A provider that ignores or caps our page size answers round numbers: 50 is its documented default.
ROUND_PAGE = 50
FLOW_NUMBERS = {Flow.BUY: 1, Flow.SELL: 2}


def iso_time(moment: datetime) -> str:
    """Return the time as the provider writes it: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def walk_history(
    transport: Transport, *, flow: OrderFlow, fiat_type: int, since: datetime, first_page: int = 1
) -> AsyncIterator[HistoryPage]:
    """Yield the pages of one fiat type, ascending; a walk that broke off may go on at `first_page`.

    The end is a page with nothing new on it, or a short page. A short page of a round number may be a cap
    of the provider's, so one more page is asked for before believing it: an order missed here would
    be money nobody credits.

    Raises:
        ProviderUnavailable and its kinds; what was yielded before stands.
        ProviderAnswerUnreadable: also when the walk does not end within `MAX_PAGES` pages.
    """
    seen: set[str] = set()
    for page in range(first_page, MAX_PAGES + 1):
        answer = await transport.call(
            MERCHANT_HISTORY,
            {
                "page": page,
                "pageSize": PAGE_SIZE,
                "since": iso_time(since),
                "order": "ASC",
                "type": FLOW_NUMBERS[flow],
                "fiatType": fiat_type,
            },
        )
        records = answer.items()
        read = _read_page(records, flow, number=page)
        new = {order.order_id for order in read.orders}.union(read.unreadable) - seen
        seen |= new
        if new:
            yield read
        if not new or (len(records) < PAGE_SIZE and len(records) % ROUND_PAGE):
            return
    raise ProviderAnswerUnreadable("The payment provider's list of orders does not end.")


def _read_page(records: list[tuple[str, Json]], flow: OrderFlow, *, number: int) -> HistoryPage:
    orders: list[ProviderOrder] = []
    unreadable: list[str] = []
    for raw, fields in records:
        order = read_order(fields, raw=raw, flow=flow) if isinstance(fields, dict) else None
        if order is None:
            unreadable.append(raw[:1000])
        else:
            orders.append(order)
    if unreadable:
        log.error("provider_orders_unreadable", count=len(unreadable))
    return HistoryPage(number, tuple(orders), tuple(unreadable))
