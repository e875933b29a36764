"""From the commit of a credit to the balance that is pushed to its owner's tab, with 500 open tabs.

Run: `python -m tests.benchmarks.live_balance [credits]`. 50 credits a second to people at random, while tabs
leave and come back. At the end every tab must show what the database holds. fsync is on.
"""

import asyncio
import random
import statistics
import sys
from bisect import bisect_left
from collections.abc import Iterator

from onramp_app.db import engine
from onramp_app.services import changed_users
from onramp_app.services.sessions import BrowserSession
from tests.benchmarks.credited import credit, measured_site, person
from tests.e2e.site import Site
from tests.sockets import TabSocket, values_of

TABS = 500
CREDITS_A_SECOND = 50
RECONNECTS_A_SECOND = 5


class Watched:
    """A person with one tab: the moments of their credits, and when each number of them was shown."""

    def __init__(self, session: BrowserSession) -> None:
        self.session = session
        self.committed: list[float] = []
        self.shown: list[tuple[int, float]] = []
        self.tab: TabSocket | None = None

    async def open(self, site: Site) -> None:
        """Open the tab, or leave and come back as a new one."""
        if self.tab is not None:
            self.take_notes()
            await self.tab.close()
        self.tab = await TabSocket.open(site.url, cookie=f"session={self.session.cookie_value}")
        await self.tab.open_page("/home")

    def take_notes(self) -> None:
        """Note what the tab was shown so far."""
        assert self.tab is not None
        while not self.tab.updates.empty():
            at, update = self.tab.updates.get_nowait()
            self.shown += [(amount, at) for amount in _amounts(update)]

    def delays(self) -> list[float]:
        """Return how long each credit took to be shown, in seconds; one that never was is missing."""
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


async def _run(site: Site, count: int) -> None:
    seed = random.randrange(10**6)  # a load, not a secret
    dice = random.Random(seed)
    people = [Watched(await person(number)) for number in range(TABS)]
    for one in people:
        await one.open(site)
    loop = asyncio.get_running_loop()
    begun, reconnects = loop.time(), 0
    coming_back: set[asyncio.Task[None]] = set()
    for number in range(count):
        await asyncio.sleep(max(0.0, begun + number / CREDITS_A_SECOND - loop.time()))
        one = dice.choice(people)
        await credit(one.session.viewer.user_id)
        one.committed.append(loop.time())
        if number % (CREDITS_A_SECOND // RECONNECTS_A_SECOND) == 0 and len(coming_back) < RECONNECTS_A_SECOND:
            task = asyncio.create_task(dice.choice(people).open(site))
            coming_back.add(task)
            task.add_done_callback(coming_back.discard)
            reconnects += 1
    took = loop.time() - begun
    await asyncio.gather(*coming_back)
    await asyncio.sleep(12)  # longer than the look that finds what a lost announcement left
    for one in people:
        one.take_notes()
    right = sum(1 for one in people if not one.committed or one.shown[-1][0] == len(one.committed))
    delays = sorted(delay * 1000 for one in people for delay in one.delays())
    cuts = statistics.quantiles(delays, n=100)
    figures = f"p50 {cuts[49]:.0f}, p95 {cuts[94]:.0f}, p99 {cuts[98]:.0f}, most {delays[-1]:.0f}"
    print(  # noqa: T201
        f"seed {seed}: {count} credits at {count / took:.0f}/s, {TABS} tabs, {reconnects} reconnects:"
        f" commit to push in ms: {figures}; final screens right: {right}/{TABS}"
    )
    for one in people:
        assert one.tab is not None
        await one.tab.close()
    await changed_users.close()
    await engine.dispose()


if __name__ == "__main__":
    with measured_site() as measured:
        asyncio.run(_run(measured, int(sys.argv[1]) if len(sys.argv) > 1 else 5_000))
