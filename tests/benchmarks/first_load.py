"""How much the first page weighs and when it is painted, compared with the page of a bare application.

The weight is everything that Chromium receives for `/` until it is idle, with an empty cache and headers
included; both are production builds, compressed as served. The paint is the largest contentful one, on this
machine, without a network in between. Needs a Chromium.

Run: `python -m tests.benchmarks.first_load [rounds]`.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from onramp_app.local import postgres
from tests.benchmarks.bare import environment, lay_out
from tests.benchmarks.second_start import answers, end
from tests.chromium import FLAGS, chromium_path
from tests.e2e.site import running_site
from tests.ports import free_port

_IDLE_MS = 3_000
_SECONDS_TO_BUILD = 300
_LARGEST_PAINT = """new Promise(done => new PerformanceObserver(
  list => done(list.getEntries().at(-1).startTime)
).observe({type: 'largest-contentful-paint', buffered: true}))"""


@dataclass(frozen=True)
class _Load:
    """One load: bytes received by resource type, and milliseconds to the largest contentful paint."""

    sizes: Counter[str]
    paint_ms: float

    @property
    def kib(self) -> float:
        """The size of everything received."""
        return sum(self.sizes.values()) / 1024


async def _load(browser: Browser, url: str) -> _Load:
    sizes: Counter[str] = Counter()
    page = await browser.new_page()
    connection = await page.context.new_cdp_session(page)
    await connection.send("Network.enable")
    types: dict[str, str] = {}

    def began(event: dict[str, Any]) -> None:
        types[event["requestId"]] = event["type"]

    def ended(event: dict[str, Any]) -> None:
        sizes[types.get(event["requestId"], "Other")] += int(event["encodedDataLength"])

    connection.on("Network.responseReceived", began)
    connection.on("Network.loadingFinished", ended)
    await page.goto(url, wait_until="load")
    await page.wait_for_timeout(_IDLE_MS)
    paint_ms = float(await page.evaluate(_LARGEST_PAINT))
    await page.close()
    return _Load(sizes, paint_ms)


async def _in_turns(ours: str, bare: str, rounds: int) -> tuple[list[_Load], list[_Load]]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        loads = [(await _load(browser, ours), await _load(browser, bare)) for _ in range(rounds)]
        await browser.close()
    return [load for load, _ in loads], [load for _, load in loads]


@contextmanager
def _bare_site(folder: Path) -> Iterator[str]:
    """Build the bare application and serve it; yield the URL of its page."""
    port = free_port()
    command = [sys.executable, "-m", "reflex", "run", "--env", "prod", "--backend-port", str(port)]
    settings = {**environment(), "BARE_IS_COMPRESSED": "true"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=lay_out(folder / "bare"),
            env=settings,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}/home/"
    try:
        deadline = time.monotonic() + _SECONDS_TO_BUILD
        while not answers(url):
            assert process.poll() is None, (folder / "log").read_text()[-1000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-1000:]
            time.sleep(0.1)
        yield url
    finally:
        end(process)


def _described(name: str, loads: list[_Load]) -> str:
    middle = statistics.median_low(load.kib for load in loads)
    load = next(load for load in loads if load.kib == middle)
    parts = ", ".join(f"{kind} {size / 1024:.1f}" for kind, size in load.sizes.most_common())
    paint_ms = statistics.median(load.paint_ms for load in loads)
    return f"{name}: {middle:.1f} KiB ({parts}), largest paint after {paint_ms:.0f} ms"


def main(rounds: int) -> None:
    """Serve both, load their pages in turn, and print the medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = postgres.start(folder / "postgres")
        try:
            with running_site(folder, server.url) as site, _bare_site(folder) as bare:
                ours_loads, bare_loads = asyncio.run(_in_turns(site.url, bare, rounds))
        finally:
            server.stop()
    print(_described("ours /", ours_loads))  # noqa: T201
    print(_described("the bare page", bare_loads))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
