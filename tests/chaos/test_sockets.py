"""Open pages recover while the database restarts, or while one process after another is killed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from onramp_app.accounts.sessions import BrowserSession
from tests.chaos.fleet import METRICS_TOKEN, Fleet, running_fleet
from tests.crediting.world import World
from tests.databases import in_settings
from tests.fleet.live_money import credit
from tests.fleet.pages import Page
from tests.fleet.test_ended_sessions import first_session

SOCKETS = 100
PEOPLE = 20
WITHIN_SECONDS = 15

pytestmark = pytest.mark.full


async def _until(found: Callable[[], object], *, seconds: float = WITHIN_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not found():  # noqa: ASYNC110 - pages have nothing to await
            await asyncio.sleep(0.02)


async def _open(fleet: Fleet, session: BrowserSession, number: int) -> Page:
    url = fleet.instances[number % 2].url
    return await Page.open(url, "/home", cookie=f"session={session.cookie_value}")


@asynccontextmanager
async def _watched(fleet: Fleet) -> AsyncIterator[tuple[list[BrowserSession], list[Page]]]:
    """Give people a balance, and open pages for them on both instances."""
    people = [await first_session() for _ in range(PEOPLE)]
    for one in people:
        await credit(fleet.database.url, one.viewer.user_id)
    pages = [await _open(fleet, people[number % PEOPLE], number // PEOPLE) for number in range(SOCKETS)]
    try:
        await _until(lambda: all(page.is_live and page.amounts == ["1.00"] for page in pages), seconds=60)
        yield people, pages
    finally:
        for page in pages:
            await page.close()


async def _restart(fleet: Fleet, people: list[BrowserSession], *, crashes: bool, away_seconds: float) -> None:
    """Take the database down for a while. Everybody is credited one more unit as soon as it is back."""
    await asyncio.to_thread(fleet.database.crash if crashes else fleet.database.stop)
    await asyncio.sleep(away_seconds)
    await asyncio.to_thread(fleet.database.start)
    for one in people:
        await credit(fleet.database.url, one.viewer.user_id)


async def test_a_hundred_pages_show_the_right_balance_after_the_database_was_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_fleet(tmp_path, monkeypatch) as fleet:
        async with in_settings(fleet.database.url, monkeypatch), _watched(fleet) as (people, pages):
            for number, (crashes, seconds) in enumerate(((False, 0), (True, 0), (False, 5), (True, 10))):
                await _restart(fleet, people, crashes=crashes, away_seconds=seconds)
                began, amount = time.monotonic(), f"{number + 2}.00"
                await _until(lambda: all(page.is_live and page.amounts == [amount] for page in pages))  # noqa: B023
                print(f"all right after {time.monotonic() - began:.1f} s")  # noqa: T201 - the figures


async def test_the_control_pages_that_nobody_tells_do_not_become_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_fleet(tmp_path, monkeypatch, app="tests.chaos.blind_instance:app") as fleet:
        async with in_settings(fleet.database.url, monkeypatch), _watched(fleet) as (people, pages):
            await _restart(fleet, people, crashes=False, away_seconds=1)
            with pytest.raises(TimeoutError):
                await _until(lambda: any(page.is_live and page.amounts == ["2.00"] for page in pages))


async def test_a_webhook_at_one_instance_updates_a_page_at_the_other_whichever_process_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_fleet(tmp_path, monkeypatch) as fleet:
        world = World(fleet.database.url, fleet.provider)
        async with in_settings(fleet.database.url, monkeypatch):
            for killed in (None, *fleet.children):
                session = await first_session()
                page = await _open(fleet, session, 1)
                await _until(lambda: page.is_live)  # noqa: B023
                order = world.open_order(world.top_up(session.viewer.user_id))
                if killed is not None:
                    killed.kill()
                world.simulator.move(order, 4)
                await asyncio.to_thread(fleet.heal)
                if killed is fleet.instances[1]:
                    page = await _open(fleet, session, 1)  # as a browser does when its socket is lost
                await _until(lambda: page.is_live and page.amounts)  # noqa: B023
                assert _readers(fleet) <= 1, "one reads for all"
                await page.close()
            assert world.one("SELECT count(*) FROM ledger_transfers") == 1 + len(fleet.children)
            assert await world.findings() == set()
        world.owner.close()


def _readers(fleet: Fleet) -> int:
    """Return how many processes currently hold the reader's lease."""
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    metrics = [httpx.get(f"{one.url}/metrics", headers=headers).text for one in fleet.children]
    return sum(text.count("\nreader_here 1.0") for text in metrics)
