"""Orders that are paid at a steady rate, and the time at which each one's top-up ended."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles

import psycopg
from psycopg.rows import tuple_row

from tests.crediting.world import World

DELIVERED = 4
_AT_ONCE = 3
_ENDED = (
    "SELECT o.order_id::bigint, t.status FROM top_ups t JOIN provider_orders o ON o.top_up_id = t.id"
    " WHERE t.status NOT IN ('created', 'awaiting_payment', 'processing')"
    " AND t.updated_at > clock_timestamp() - interval '20 seconds'"
)
_RECEIVED = (
    "SELECT order_id::bigint, extract(epoch FROM min(received_at))::float FROM webhook_events GROUP BY 1"
)


@dataclass
class Payments:
    """Orders in the sequence in which they were paid. All times are from `time.time`.

    `open_order` opens one. `ended` has the final status of an order's top-up and when it was first seen, at
    most a tenth of a second late.
    """

    world: World
    open_order: Callable[[World], int]
    paid_at: dict[int, float] = field(default_factory=dict)
    ended: dict[int, tuple[str, float]] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)

    @property
    def newest(self) -> int:
        return next(reversed(self.paid_at))

    def pay(self, numbers: range, *, a_second: float, status: int) -> None:
        """Open orders and move them to a status, each at its scheduled time."""
        begun = time.time()
        for number in numbers:
            if self._ending.wait(max(0.0, begun + number / a_second - time.time())):
                return
            order = self.open_order(self.world)
            at = time.time()
            self.world.simulator.move(order, status)
            self.paid_at[order] = at

    def watch(self) -> None:
        with psycopg.connect(self.world.database, autocommit=True) as owner:
            while not self._ending.wait(0.1):
                for order, status in owner.execute(_ENDED).fetchall():
                    self.ended.setdefault(order, (status, time.time()))

    def end(self) -> None:
        self._ending.set()

    @property
    def a_second(self) -> float:
        """The rate of payments actually reached, which is lower on a busy machine."""
        return len(self.paid_at) / (max(self.paid_at.values()) - min(self.paid_at.values()))

    def delays(self, *, status: str = "settled") -> list[float]:
        """Return the seconds from each order's payment until its top-up reached this status, sorted."""
        return sorted(
            at - self.paid_at[order] for order, (ended, at) in self.ended.items() if ended == status
        )

    async def delays_of_webhooks(self) -> list[float]:
        """Return the seconds from the receipt of its first webhook until each top-up settled, sorted.

        A top-up that settled before that, because its order was read anyway, counts as 0.
        """
        sent = f"SELECT count(DISTINCT order_id) >= {len(self.paid_at)} FROM webhook_events"
        await self.world.until(lambda: self.world.one(sent), seconds=120)
        received = dict(self.world.owner.cursor(row_factory=tuple_row).execute(_RECEIVED).fetchall())
        return sorted(
            max(0.0, at - received[order])
            for order, (status, at) in self.ended.items()
            if status == "settled" and order in received
        )


def percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def in_words(delays: list[float]) -> str:
    return (
        f"{len(delays)} times, median {percentile(delays, 50):.2f} s, p99 {percentile(delays, 99):.2f} s,"
        f" most {delays[-1]:.2f} s"
    )


def _opened(world: World) -> int:
    return world.open_order(world.top_up(world.user()))


@asynccontextmanager
async def paid(
    world: World,
    number: int,
    *,
    a_second: float,
    status: int = DELIVERED,
    open_order: Callable[[World], int] = _opened,
    most_open: int = 0,
) -> AsyncIterator[Payments]:
    """Pay `number` orders in the background, and wait at the end until all but `most_open` have ended.

    The context is entered once the first order is paid.
    """
    payments = Payments(world, open_order)
    doing = [threading.Thread(target=payments.watch)]
    for one in range(_AT_ONCE):
        turns = {"a_second": a_second, "status": status}
        doing.append(
            threading.Thread(target=payments.pay, args=(range(one, number, _AT_ONCE),), kwargs=turns)
        )
    for thread in doing:
        thread.start()
    try:
        await world.until(lambda: payments.paid_at, seconds=30)
        yield payments
        for thread in doing[1:]:
            await asyncio.to_thread(thread.join)
        await world.until(lambda: len(payments.ended) >= number - most_open, seconds=60)
    finally:
        payments.end()
        for thread in doing:
            thread.join()
