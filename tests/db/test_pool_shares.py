"""One network leaves half of the pool's connections to others."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.db.engine import REQUEST, connections_for, transaction
from onramp_app.domain import shares
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.domain.shares import ask_for_all, asked_from

SHORT = engine.Purpose(share=1, wait_seconds=0.2, statement_seconds=15)


@pytest.fixture(autouse=True)
async def few_connections(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert database
    monkeypatch.setenv("DATABASE_CONNECTIONS", str(len(engine.Use) + 4))
    get_settings.cache_clear()
    await engine.dispose()
    assert connections_for(REQUEST) == 4


async def _hold(network: str, count: int, *, within: AsyncExitStack) -> int:
    """Try to hold `count` transactions for a network; return how many it got."""
    with asked_from(network):
        for number in range(count):
            try:
                await within.enter_async_context(transaction(SHORT))
            except DatabaseUnavailable:
                return number
    return count


async def test_a_network_holds_half_and_another_one_its_own() -> None:
    async with AsyncExitStack() as held:
        assert await _hold("203.0.113.9", 4, within=held) == 2
        assert await _hold("198.51.100.7", 1, within=held) == 1
        async with asyncio.timeout(2):
            async with transaction():
                pass
    async with AsyncExitStack() as held:
        assert await _hold("203.0.113.9", 2, within=held) == 2, "the places are free again"


async def test_what_a_request_began_for_all_has_no_share() -> None:
    async def for_all() -> None:
        ask_for_all()
        async with transaction():
            pass

    async with AsyncExitStack() as held:
        assert await _hold("203.0.113.9", 2, within=held) == 2
        with asked_from("203.0.113.9"):
            begun = asyncio.create_task(for_all())
        async with asyncio.timeout(2):
            await begun


@pytest.mark.full
async def test_control_without_shares_one_network_holds_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onramp_app.db.engine.share_of_network", lambda places: places)
    assert shares.share_of_network(4) == 2
    async with AsyncExitStack() as held:
        assert await _hold("203.0.113.9", 4, within=held) == 4
        assert await _hold("198.51.100.7", 1, within=held) == 0
