"""Walks `merchantHistory` to its end, page by page, without trusting its documented paging."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import monotonic

import structlog

from onramp_app.domain.exact_json import Json
from onramp_app.providers.errors import ProviderAnswerUnreadable
from onramp_app.providers.onramp.http.endpoints import MERCHANT_HISTORY
from onramp_app.providers.onramp.http.transport import Transport
from onramp_app.providers.onramp.orders import read_order
from onramp_app.providers.port import HistoryPage, OrderFlow, ProviderOrder
from onramp_app.providers.status import Flow

log = structlog.get_logger(__name__)

PAGE_SIZE = 500
MAX_PAGES = 2_000
# How long one page proves that the provider returns pages of that size: it may lower its cap at any time.
PROVEN_SECONDS = 30 * 60.0
FLOW_NUMBERS = {Flow.BUY: 1, Flow.SELL: 2}


def iso_time(moment: datetime) -> str:
    """Return the time in the provider's format: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class PageSizes:
    """The size of the largest recent page: a shorter page was not cut off by a cap, so it is the last."""

    def __init__(self) -> None:
        self._largest = 0
        self._proven_at = float("-inf")

    def is_last(self, records: int) -> bool:
        """Record a page's size, and return whether the page is so short that none can follow."""
        now = monotonic()
        if now - self._proven_at > PROVEN_SECONDS:
            self._largest = 0
        if records < self._largest:
            return True
        self._largest, self._proven_at = records, now
        return False


async def walk_history(  # noqa: PLR0913 - which list, from when, and how far it was walked
    transport: Transport,
    sizes: PageSizes,
    *,
    flow: OrderFlow,
    fiat_type: int,
    since: datetime,
    is_newest_first: bool = False,
    first_page: int = 1,
) -> AsyncIterator[HistoryPage]:
    """Yield the pages of one fiat type; a walk that broke off may resume at `first_page`.

    The walk ends at a page with nothing new on it (newest first: an empty page), or at one that is shorter
    than another page of the last half hour. The provider may cap its pages at any size, so a page shorter
    than `PAGE_SIZE` proves nothing by itself: an order missed here would be money that nobody credits.

    Raises:
        ProviderUnavailable and its subclasses; the pages yielded before remain valid.
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
                "order": "DESC" if is_newest_first else "ASC",
                "type": FLOW_NUMBERS[flow],
                "fiatType": fiat_type,
            },
        )
        records = answer.items()
        read = _read_page(records, flow, number=page, is_last=sizes.is_last(len(records)))
        new = {order.order_id for order in read.orders}.union(read.unreadable) - seen
        seen |= new
        # Newest first, new orders push known ones onto this page, so a page of known ones is not the end.
        is_over = not (records if is_newest_first else new)
        if not is_over:
            yield read
        if is_over or read.is_last:
            return
    raise ProviderAnswerUnreadable("The payment provider's list of orders does not end.")


def _read_page(
    records: list[tuple[str, Json]], flow: OrderFlow, *, number: int, is_last: bool
) -> HistoryPage:
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
    return HistoryPage(number, tuple(orders), tuple(unreadable), is_last=is_last)
