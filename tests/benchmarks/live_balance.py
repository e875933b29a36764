"""Time from the commit of a credit to the balance pushed to its owner's tab, with 500 open tabs.

Run: `python -m tests.benchmarks.live_balance [credits]`. Makes 50 credits a second to random people, while
tabs disconnect and reconnect. At the end every tab must show the balance in the database. fsync is on.
"""

import asyncio
import random
import statistics
import sys
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from onramp_app.accounts.sessions import BrowserSession
from onramp_app.running import lifecycle
from tests.benchmarks.credited import credit, measured_instance, person
from tests.benchmarks.machine import load
from tests.sockets import HYDRATE_AND_LOAD, TabSocket, values_of

TABS = 500
CREDITS_A_SECOND = 50
RECONNECTS_A_SECOND = 5
SETTLING_SECONDS = 12  # longer than the time until the look that makes up for a lost announcement


class Watched:
    """A person with one tab: the times of their credits, and when each balance was shown."""

    def __init__(self, session: BrowserSession) -> None:
        self.session = session
        self.committed: list[float] = []
        self.shown: list[tuple[int, float]] = []
        self.tab: TabSocket | None = None

    async def open(self, url: str) -> None:
        """Open the tab, or close it and open a new one."""
        await self.leave()
        self.tab = await TabSocket.open(url, cookie=f"session={self.session.cookie_value}")
        await self.tab.emit(HYDRATE_AND_LOAD, path="/home")
        is_open = False
        async with asyncio.timeout(60):
            while not is_open:
                update = await self.tab.updates.get()
                self._note(*update)
                is_open = ("is_hydrated_rx_state_", True) in values_of(update[1])

    async def leave(self) -> None:
        """Record what the tab has been sent so far, and close it."""
        if self.tab is not None:
            while not self.tab.updates.empty():
                self._note(*self.tab.updates.get_nowait())
            await self.tab.close()

    async def credit(self) -> None:
        """Add one USDT."""
        await credit(self.session.viewer.user_id)
        self.committed.append(asyncio.get_running_loop().time())

    def _note(self, at: float, update: dict[str, object]) -> None:
        self.shown += [(amount, at) for amount in _amounts(update)]

    def delays(self) -> list[float]:
        """Return the seconds until each credit was shown; credits that never were are left out."""
        shown = sorted(self.shown)
        first_shown = []
        for number in range(1, len(self.committed) + 1):
            at = min((moment for amount, moment in shown[bisect_left(shown, (number, 0)) :]), default=None)
            if at is not None:
                first_shown.append(at - self.committed[number - 1])
        return first_shown


def _amounts(update: dict[str, object]) -> Iterator[int]:
    for name, value in values_of(update):
        if name.startswith("assets") and isinstance(value, list):
            yield from (int(float(row["amount"].replace(",", ""))) for row in value if row["code"] == "USDT")


@dataclass(frozen=True)
class Seen:
    """The result: each credit's delay in seconds, sorted, and how many tabs ended up right."""

    delays: list[float]
    right: int
    reconnects: int
    took_seconds: float


async def watch(
    url: str,
    *,
    tabs: int,
    count: int,
    seed: int,
    settling_seconds: float = SETTLING_SECONDS,
    kind: type[Watched] = Watched,
) -> Seen:
    """Make `count` credits to random people, while their tabs watch, disconnect and reconnect."""
    dice = random.Random(seed)
    people = [kind(await person(number)) for number in range(tabs)]
    for one in people:
        await one.open(url)
    loop = asyncio.get_running_loop()
    begun, reconnects = loop.time(), 0
    coming_back: dict[Watched, asyncio.Task[None]] = {}
    crediting = []
    for number in range(count):
        await asyncio.sleep(max(0.0, begun + number / CREDITS_A_SECOND - loop.time()))
        crediting.append(asyncio.create_task(dice.choice(people).credit()))
        if number % (CREDITS_A_SECOND // RECONNECTS_A_SECOND) == 0:
            leaver = dice.choice(people)
            if leaver not in coming_back or coming_back[leaver].done():
                coming_back[leaver] = asyncio.create_task(leaver.open(url))
                reconnects += 1
    await asyncio.gather(*crediting)
    took = loop.time() - begun
    await asyncio.gather(*coming_back.values())
    await asyncio.sleep(settling_seconds)
    for one in people:
        await one.leave()
    right = sum(1 for one in people if not one.committed or one.shown[-1][0] == len(one.committed))
    await lifecycle.disconnect()
    return Seen(sorted(delay for one in people for delay in one.delays()), right, reconnects, took)


def main(count: int) -> None:
    """Measure, and print the percentiles in milliseconds."""
    seed = random.randrange(10**6)  # a load, not a secret
    with measured_instance() as url:
        seen = asyncio.run(watch(url, tabs=TABS, count=count, seed=seed))
    cuts = statistics.quantiles([delay * 1000 for delay in seen.delays], n=100)
    figures = f"p50 {cuts[49]:.0f}, p95 {cuts[94]:.0f}, p99 {cuts[98]:.0f}, most {seen.delays[-1] * 1000:.0f}"
    print(  # noqa: T201
        f"seed {seed}: {count} credits at {count / seen.took_seconds:.0f}/s, {TABS} tabs, {seen.reconnects}"
        f" reconnects: commit to push in ms: {figures}; final screens right: {seen.right}/{TABS}; {load()}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
