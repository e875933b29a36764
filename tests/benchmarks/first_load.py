"""How much the first page weighs: everything that Chromium receives for `/` before it is idle, nothing kept.

The production build, compressed as it is served, headers included. Needs a Chromium.
Run: `python -m tests.benchmarks.first_load`.
"""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from onramp_app.local import postgres
from tests.chromium import FLAGS, chromium_path
from tests.e2e.site import running_site

_IDLE_MS = 3_000


async def _received(url: str) -> Counter[str]:
    """Return the bytes received, by the type of what they are."""
    sizes: Counter[str] = Counter()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
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
        await browser.close()
    return sizes


def main() -> None:
    """Measure once."""
    with tempfile.TemporaryDirectory() as name:
        server = postgres.start(Path(name) / "postgres")
        try:
            with running_site(Path(name), server.url) as site:
                sizes = asyncio.run(_received(site.url))
        finally:
            server.stop()
    parts = ", ".join(f"{kind} {size / 1024:.1f}" for kind, size in sizes.most_common())
    print(f"first load of /: {sum(sizes.values()) / 1024:.1f} KiB ({parts})")  # noqa: T201


if __name__ == "__main__":
    main()
