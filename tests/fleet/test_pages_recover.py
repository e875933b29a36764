"""Whatever was down while a page was opening, navigating or idle, it is current 15 s after the recovery."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import psycopg
import pytest
from redis import Redis

from onramp_app.accounts.sessions import BrowserSession
from onramp_app.config import get_settings
from onramp_app.domain.ids import new_id
from onramp_app.running import lifecycle
from onramp_app.throttle import throttle
from onramp_app.web.profile.state import ProfileState
from tests.fleet.conftest import METRICS_TOKEN, Pair
from tests.fleet.live_money import credit
from tests.fleet.pages import Page
from tests.fleet.test_ended_sessions import first_session
from tests.postgres_server import PostgresServer
from tests.served import served
from tests.sockets import ON_LOAD

WITHIN_SECONDS = 15
PATHS = ("/home", "/add-money", f"/add-money/{new_id()}", "/activity", f"/activity/{new_id()}", "/profile")
KINDS = ("killed", "frozen", "flushed")
PROFILE = ProfileState.get_full_name()
REFUSED = "didn't go through"

full = pytest.mark.full


@pytest.fixture
async def own_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PostgresServer]:
    """A PostgreSQL server that the test may stop; the settings point to it."""
    server = PostgresServer(tmp_path, monkeypatch)
    server.start()
    monkeypatch.setenv("APP_ENV", "test")
    monkeypatch.setenv("DATABASE_URL", server.url)
    get_settings.cache_clear()
    yield server
    await lifecycle.disconnect()
    server.stop()


class Person:
    """Somebody with pages open on several instances."""

    def __init__(self, session: BrowserSession, instances: list[str]) -> None:
        self.user_id = session.viewer.user_id
        self.pages: list[Page] = []
        self._cookie = f"session={session.cookie_value}"
        self._instances = instances

    async def open(self, path: str) -> Page:
        url = self._instances[len(self.pages) % len(self._instances)]
        self.pages.append(await Page.open(url, path, cookie=self._cookie))
        return self.pages[-1]

    async def all_are(self, wanted: Callable[[Page], bool], *, seconds: float = WITHIN_SECONDS) -> None:
        """Wait until all pages are as wanted. Raises `TimeoutError` after `seconds`."""
        async with asyncio.timeout(seconds):
            while not all(wanted(page) for page in self.pages):  # noqa: ASYNC110  # pages have nothing to await
                await asyncio.sleep(0.02)

    async def saves(self, page: Page, name: str) -> None:
        """Send the profile form with another name, whichever page is open."""
        await page.send(f"{PROFILE}.save_details", form={"display_name": name, "language": "en"})


def _is_current(page: Page) -> bool:
    has_amount = page.path != "/home" or page.amounts == ["1.00"]
    return page.is_live and page.is_signed_in and not page.notice and has_amount


async def _look_on(person: Person, database: str, *, takes_away: Callable[[], None], away: str) -> Page:
    """Open pages before and during an outage while money arrives. Returns a page whose save was refused."""
    await person.open("/home")
    await person.open("/home")
    moved = await person.open("/profile")
    await person.all_are(lambda page: page.is_live)
    takes_away()
    moved.path = "/home"
    await moved.send(ON_LOAD)
    if away == "updates":
        await credit(database, person.user_id)
    for path in PATHS:
        await person.open(path)
    if away:
        await person.all_are(lambda page: page.away == away)
        await person.saves(moved, "Late")
        async with asyncio.timeout(WITHIN_SECONDS):
            while REFUSED not in moved.notice:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.02)
    return moved


async def _round(kind: str, pair: Pair, *, seconds: float = 0) -> None:
    """Take Redis down (or flush it) and bring it back. Raises `TimeoutError` if a page does not recover."""
    throttle.forget()  # Each network may open only a few accounts per hour.
    person, database, redis = Person(await first_session(), pair.urls), pair.database, pair.redis
    try:
        if kind == "flushed":
            await person.open("/home")
            await person.open("/home")
            await person.all_are(lambda page: page.is_live)
            with Redis.from_url(redis.url) as client:
                client.flushall()
            await credit(database, person.user_id)
        else:
            take, give = {"killed": (redis.kill, redis.start), "frozen": (redis.freeze, redis.thaw)}[kind]
            clicked = await _look_on(person, database, takes_away=take, away="updates")
            assert await _away_at(pair.urls) == ["1.0", "1.0"]
            await asyncio.sleep(seconds)
            give()
        began = time.monotonic()
        await person.all_are(_is_current)
        assert await _away_at(pair.urls) == ["0.0", "0.0"]
        print(f"{kind}: current after {time.monotonic() - began:.1f} s")  # noqa: T201 - the figures
        if kind != "flushed":
            assert _name(database, person.user_id) == "Ada King", "what was refused was not done later"
            await person.saves(clicked, "Grace")
            await _until(lambda: clicked.shows(PROFILE, "details_saved"))
    finally:
        for page in person.pages:
            await page.close()


async def _away_at(urls: list[str]) -> list[str]:
    """Return each instance's value of the metric that the Redis alert uses."""
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, verify=False) as client:
        texts = [(await client.get(f"{url}/metrics")).text for url in urls]
    return [text.partition('fault_active{fault="redis"} ')[2].partition("\n")[0] for text in texts]


def _name(database: str, user_id: str) -> str:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT display_name FROM users WHERE id = %s", (user_id,)).fetchone()
    assert row
    return row[0]


async def _until(found: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while not found():  # noqa: ASYNC110  # pages have nothing to await
            await asyncio.sleep(0.02)


async def test_pages_are_current_again_after_redis_was_away_or_flushed(pair: Pair) -> None:
    for kind in ("killed", "flushed"):
        await _round(kind, pair)


@full
async def test_fifty_times(pair: Pair) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - to repeat the run
    dice = random.Random(seed)
    for number in range(50):
        kind = KINDS[number % len(KINDS)]
        await _round(kind, pair, seconds=dice.uniform(0, 8))


@full
@pytest.mark.parametrize("broken_pair", ["tests.fleet.unmended_instance:app"], indirect=True)
async def test_the_control_without_asking_pages_to_load_none_comes_back(broken_pair: Pair) -> None:
    for kind in ("killed", "flushed"):
        with pytest.raises(TimeoutError):
            await _round(kind, broken_pair)


@full
@pytest.mark.parametrize("rounds", [10])
async def test_pages_of_a_lone_instance_are_current_again_after_the_database_was_away(
    own_database: PostgresServer, rounds: int
) -> None:
    with served(own_database.url) as url:
        for _ in range(rounds):
            person = Person(await first_session(), [url])
            await credit(own_database.url, person.user_id)
            clicked = await _look_on(person, own_database.url, takes_away=own_database.stop, away="database")
            own_database.start()
            await person.all_are(_is_current)
            assert _name(own_database.url, person.user_id) == "Ada King"
            await person.saves(clicked, "Grace")
            await _until(lambda clicked=clicked: clicked.shows(PROFILE, "details_saved"))
            for page in person.pages:
                await page.close()
