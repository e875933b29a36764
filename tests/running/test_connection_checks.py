"""With a low connection limit webhooks are still stored, and the operator's checks name the shortage."""

import asyncio
import itertools
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from onramp_app.config import AppEnv, get_settings
from onramp_app.db import direct, engine
from onramp_app.provider_orders.inbox import get_inbox
from onramp_app.running import connection_checks, lifecycle
from onramp_app.running.health import readiness
from onramp_app.running.parts import CheckedPart, UnwellError
from tests.people import PASSWORD
from tests.served import whole_api
from tests.signed_webhooks import PATH, event_of, headers_of

LIMIT = 12


@pytest.fixture
async def few(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The name of a new login, used by the settings, that may open only twelve connections."""
    name, parts = f"few_{secrets.token_hex(4)}", urlsplit(database)
    address = parts._replace(netloc=f"{name}:{parts.password}@{parts.hostname}:{parts.port}").geturl()
    monkeypatch.setattr(direct, "_refused_at", float("-inf"))
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            f"CREATE ROLE {name} LOGIN PASSWORD '{parts.password}' CONNECTION LIMIT {LIMIT}"
            " IN ROLE onramp_app".encode()
        )
        monkeypatch.setenv("DATABASE_URL", address)
        get_settings.cache_clear()
        yield name
        await lifecycle.disconnect()
        owner.execute(f"DROP ROLE {name}".encode())


async def _part() -> CheckedPart:
    (part,) = [part for part in await readiness() if part.name == "connections"]
    return part


async def _statuses_under_readers() -> tuple[Counter[int], Counter[int]]:
    """Let 48 readers list transactions, then send webhooks. Returns the status counts of both."""
    transport = httpx.ASGITransport(app=whole_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        await get_inbox().open()
        person = {"email": "ada@example.com", "password": PASSWORD}
        opened = (await client.post("/api/auth/register", json=person)).json()
        headers = {"Authorization": f"Bearer {opened['access_token']}"}

        async def read() -> list[int]:
            return [(await client.get("/api/transactions", headers=headers)).status_code for _ in range(2)]

        reads = itertools.chain(*await asyncio.gather(*(read() for _ in range(48))))
        sent = [client.post(PATH, headers=headers_of(event_of(n)), content=b"{}") for n in range(20)]
        return Counter(reads), Counter(answer.status_code for answer in await asyncio.gather(*sent))


@pytest.mark.usefixtures("few")
async def test_a_login_with_twelve_connections_serves_readers_and_webhooks() -> None:
    reads, webhooks = await _statuses_under_readers()
    assert (reads, webhooks) == (Counter({200: 96}), Counter({200: 20}))
    part = await _part()
    assert (part.is_well, part.detail) == (True, "")
    assert f"The database grants {LIMIT}" in await connection_checks.connections(get_settings())


@pytest.mark.usefixtures("few")
async def test_more_connections_than_the_login_may_have_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_CONNECTIONS", "40")
    get_settings.cache_clear()
    with pytest.raises(UnwellError, match=f"DATABASE_CONNECTIONS is 40, .* grants this login {LIMIT}"):
        await connection_checks.connections(get_settings())
    assert "DATABASE_CONNECTIONS is 40" in (await _part()).detail
    reads, webhooks = await _statuses_under_readers()
    assert reads[503], "the control: it is short"
    assert webhooks == Counter({200: 20}), "the inbox took its connection before"
    part = await _part()
    assert not part.is_well
    assert f"of the {LIMIT} for this login 0 are free" in part.detail


async def test_a_login_of_its_own_is_asked_for_in_production(
    few: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    production = get_settings().model_copy(update={"app_env": AppEnv.PRODUCTION})
    assert f"Logs in as {few}, which may not" in await connection_checks.role(production)
    await engine.dispose()
    monkeypatch.setenv("DATABASE_URL", database)
    get_settings.cache_clear()
    assert "guards against mistakes" in await connection_checks.role(get_settings())
    with pytest.raises(UnwellError, match="a login of its own as onramp_app"):
        await connection_checks.role(production)
