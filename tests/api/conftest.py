"""Fixtures: a client of the whole API over ASGI, and quick ways to get a signed-in person."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from onramp_app.accounts import program_sessions
from onramp_app.accounts.sessions import Client
from onramp_app.config import get_settings
from onramp_app.ledger.assets import enable_assets
from tests.money import Wallet
from tests.people import Person, sign_up
from tests.served import whole_api
from tests.simulator.process import Process


@pytest.fixture
async def client(database: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=whole_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


@pytest.fixture
def new_person(client: httpx.AsyncClient) -> Callable[..., Awaitable[Person]]:
    async def make(display_name: str = "Ada King", country: str | None = None) -> Person:
        program = Client("127.0.0.1", client.headers["user-agent"])
        opened = await sign_up(
            program_sessions.open_program, program, display_name=display_name, country=country
        )
        viewer = opened.viewer
        return Person(viewer.user_id, viewer.email, opened.access_token, opened.refresh_token)

    return make


@pytest.fixture
async def ada(new_person: Callable[..., Awaitable[Person]]) -> Person:
    return await new_person(display_name="Ada", country="IN")


@pytest.fixture
async def bo(new_person: Callable[..., Awaitable[Person]]) -> Person:
    return await new_person(display_name="Bo", country="BR")


@pytest.fixture
async def wallet(
    client: httpx.AsyncClient, database: str, simulator_process: Process, monkeypatch: pytest.MonkeyPatch
) -> Wallet:
    """The API with a freshly reset simulator behind it."""
    simulator_process.begin()
    monkeypatch.setenv("ONRAMP_API_URL", simulator_process.base)
    monkeypatch.setenv("ONRAMP_WIDGET_URL", f"{simulator_process.base}/main")
    monkeypatch.setenv("ONRAMP_REQUESTS_PER_MINUTE", "10000")
    get_settings.cache_clear()
    await enable_assets()
    return Wallet(client, simulator_process, database)
