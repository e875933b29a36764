"""The memory of a signed-in tab and the time of a push to all, compared with a bare Reflex application.

Run: `python -m tests.benchmarks.many_sessions [tabs] [people]`. Both applications serve the same number of
tabs at once, each with one worker; pushes with new values to all tabs alternate between the two. Ours goes
the whole way: announced by the database, read for each person, shown in each of their tabs. Needs `/proc`.
"""

import asyncio
import os
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from onramp_app.fleet import changed_people
from onramp_app.running import lifecycle
from tests.benchmarks.credited import credit, measured_instance, person
from tests.benchmarks.machine import load
from tests.ports import free_port
from tests.sockets import TabSocket

PUSHES = 5
WARM_TABS = 50  # What the server loads for the first tabs does not count.
OPENED_AT_ONCE = 10


def _memory_kib(port: int) -> int:
    """Return the resident memory of the worker that serves the port: the largest process of its server."""
    sizes = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"--port\0{port}\0".encode() in (process / "cmdline").read_bytes():
                status = (process / "status").read_text()
                sizes.append(int(status.partition("VmRSS:")[2].split()[0]))
        except (FileNotFoundError, ProcessLookupError, IndexError):
            continue  # it has just ended
    return max(sizes)


@contextmanager
def _bare() -> Iterator[str]:
    port = free_port()
    granian: list[str | Path] = [Path(sys.executable).parent / "granian", "--interface", "asgi", "--factory"]
    server = subprocess.Popen(
        [*granian, "--host", "127.0.0.1", "--port", str(port), "bare_app:app"],
        cwd=Path(__file__).parent / "bare_app",
        env={**os.environ, "REFLEX_ENV_MODE": "prod", "__REFLEX_SKIP_COMPILE": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=10), trust_env=False) as client:
            client.get(f"{url}/ping").raise_for_status()
        yield url
    finally:
        server.terminate()
        server.wait(20)


async def _open(url: str, cookies: list[str]) -> tuple[list[TabSocket], float]:
    """Open a tab for each cookie. Return them, and the KiB of memory per tab after the warm-up tabs."""
    port = int(url.rpartition(":")[2])
    places = asyncio.Semaphore(OPENED_AT_ONCE)

    async def open_one(cookie: str) -> TabSocket:
        async with places:
            tab = await TabSocket.open(url, cookie=cookie)
            await tab.open_page("/home")
            return tab

    tabs = await asyncio.gather(*map(open_one, cookies[:WARM_TABS]))
    before = _memory_kib(port)
    tabs += await asyncio.gather(*map(open_one, cookies[WARM_TABS:]))
    return tabs, (_memory_kib(port) - before) / (len(tabs) - WARM_TABS)


async def _push(tabs: list[TabSocket], push: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds from the push until the last tab has received it."""
    for tab in tabs:
        while not tab.updates.empty():
            tab.updates.get_nowait()
    began = asyncio.get_running_loop().time()
    await push()
    async with asyncio.timeout(60):
        return max([(await tab.updates.get())[0] for tab in tabs]) - began


async def _run(our_url: str, bare: str, count: int, number_of_people: int) -> None:
    people = [await person(number) for number in range(number_of_people)]
    ids = [one.viewer.user_id for one in people]
    cookies = [f"session={people[number % len(people)].cookie_value}" for number in range(count)]
    our_tabs, our_kib = await _open(our_url, cookies)
    bare_tabs, bare_kib = await _open(bare, [""] * count)

    async def tell_ours() -> None:
        changed_people.announce_changes(ids)

    async def tell_bare() -> None:
        await client.get(f"{bare}/push")

    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        times: list[tuple[float, float]] = []
        for _ in range(PUSHES):
            for user_id in ids:
                await credit(user_id, is_told=False)
            took = await _push(our_tabs, tell_ours)
            times.append((took, await _push(bare_tabs, tell_bare)))
    for tab in (*our_tabs, *bare_tabs):
        await tab.close()
    await lifecycle.disconnect()
    our_push, bare_push = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(a / b for a, b in times)
    print(  # noqa: T201
        f"{count} tabs of {number_of_people} people: {our_kib:.0f} KiB a tab, bare {bare_kib:.0f}, ratio"
        f" {our_kib / bare_kib:.2f}; push to all {our_push:.2f} s, bare {bare_push:.2f} s, ratio {ratio:.2f}"
        f" ({PUSHES} pushes each); {load()}"
    )


def main(tabs: int, people: int) -> None:
    """Measure once."""
    with measured_instance() as our_url, _bare() as bare:
        asyncio.run(_run(our_url, bare, tabs, people))


if __name__ == "__main__":
    main(*[int(argument) for argument in sys.argv[1:]] or [2_000, 20])
