"""Our live balances compared with server-sent events from plain Starlette, on the same database.

Run: `python -m tests.benchmarks.peer_push [credits]`. The load is that of `live_balance`, twice on each, in
turn. The peer sends one line of JSON and authenticates nobody; ours sends a whole page's state.
"""

import asyncio
import json
import os
import random
import statistics
import sys
from pathlib import Path

from onramp_app.config import PROJECT_DIR
from tests.benchmarks.credited import measured_instance
from tests.benchmarks.live_balance import TABS, Seen, Watched, watch
from tests.benchmarks.machine import load
from tests.benchmarks.peers.server import granian

ROUNDS = 2
_SCALE = 10**18


class WatchedStream(Watched):
    """A person whose balance arrives as a stream of server-sent events."""

    reading: asyncio.Task[None] | None = None
    writer: asyncio.StreamWriter | None = None

    async def open(self, url: str) -> None:
        """Open the stream, or close it and reconnect."""
        await self.leave()
        host, _, port = url.removeprefix("http://").partition(":")
        reader, self.writer = await asyncio.open_connection(host, int(port))
        request = f"GET /events/{self.session.viewer.user_id} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        self.writer.write(request.encode())
        is_open = asyncio.Event()
        self.reading = asyncio.create_task(self._read(reader, is_open))
        async with asyncio.timeout(60):
            await is_open.wait()

    async def _read(self, reader: asyncio.StreamReader, is_open: asyncio.Event) -> None:
        while line := await reader.readline():
            if line.startswith(b"data: "):
                amount = int(json.loads(line[6:]).get("USDT", 0)) // _SCALE
                self.shown.append((amount, asyncio.get_running_loop().time()))
                is_open.set()

    async def leave(self) -> None:
        """Close the stream, if it is open."""
        if self.reading is not None and self.writer is not None:
            self.reading.cancel()
            self.writer.close()


def _figures(seen: Seen) -> str:
    cuts = statistics.quantiles([delay * 1000 for delay in seen.delays], n=100)
    return f"p50 {cuts[49]:.0f}, p95 {cuts[94]:.0f}, p99 {cuts[98]:.0f} ms, right {seen.right}/{TABS}"


def main(count: int) -> None:
    """Measure both in turn, and print each run and the ratio of the medians."""
    halves: dict[str, list[float]] = {"ours": [], "Starlette": []}
    with measured_instance() as ours:
        python, database = Path(sys.executable), os.environ["DATABASE_URL"]
        target = "tests.benchmarks.peers.plain_push:app"
        options = ("--interface", "asgi", "--loop", "uvloop")
        with granian(python, database, target, *options, cwd=PROJECT_DIR) as plain:
            for name, url, kind in (
                ("ours", ours, Watched),
                ("Starlette", plain, WatchedStream),
            ) * ROUNDS:
                seed = random.randrange(10**6)  # a load, not a secret
                seen = asyncio.run(watch(url, tabs=TABS, count=count, seed=seed, kind=kind))
                halves[name].append(statistics.median(seen.delays))
                print(f"{name}, seed {seed}: {_figures(seen)}")  # noqa: T201
    ours_median, plain_median = (statistics.median(values) for values in halves.values())
    print(f"half pushed within {ours_median / plain_median:.1f} times as long; {load()}")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_500)
