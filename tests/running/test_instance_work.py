"""The background work of a running instance, against the real simulator."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from onramp_app.config import get_settings
from onramp_app.pricing.rates import stored_book
from onramp_app.running.lifecycle import web_instance
from tests.simulator.process import Process


def asked(simulator: Process) -> set[str]:
    """Return the last path segment of every endpoint that was requested."""
    items = simulator.control("requests", method="GET")["items"]
    return {row["path"].rpartition("/")[2] for row in items}


async def soon(look: Callable[[], Any]) -> None:
    for _ in range(200):
        if await look():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not happen in time")


async def test_an_instance_registers_its_webhook_address_and_reads_the_rates(simulator: Process) -> None:
    async def is_done() -> bool:
        return "setWebhookUrl" in asked(simulator) and await stored_book() is not None

    async with web_instance(get_settings()):
        await soon(is_done)


async def test_without_background_work_rates_are_read_on_demand_only(
    simulator: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKGROUND_WORK", "off")
    get_settings.cache_clear()

    async def is_registered() -> bool:
        return "setWebhookUrl" in asked(simulator)

    async with web_instance(get_settings()):
        await soon(is_registered)
        await asyncio.sleep(0.3)
        assert "quotes" not in asked(simulator)
        assert await stored_book() is None


async def test_a_provider_that_is_away_stops_no_start_and_no_end(
    simulator: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONRAMP_API_URL", "http://127.0.0.1:1")
    get_settings.cache_clear()
    async with asyncio.timeout(10), web_instance(get_settings()):
        await asyncio.sleep(0.2)
    assert asked(simulator) == set()


async def test_a_provider_that_is_not_the_simulator_is_told_no_address(
    simulator: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONRAMP_API_URL", "https://provider.invalid")
    get_settings.cache_clear()
    async with web_instance(get_settings()):
        await asyncio.sleep(0.2)
    assert asked(simulator) == set()
