"""The documented samples, a provider that answers as a test wants, and a client that asks it."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from onramp_app.providers.onramp.client import OnrampClient, WidgetSettings
from onramp_app.providers.onramp.http.transport import Credentials, Transport, TransportLimits
from tests.providers.fake_onramp import KEY, SECRET, FakeOnramp

FIXTURES = Path(__file__).parent.parent / "fixtures" / "onramp"


@pytest.fixture(scope="session")
def sample() -> Callable[[str], Any]:
    return lambda name: json.loads((FIXTURES / name).read_text())


@pytest_asyncio.fixture
async def onramp() -> AsyncIterator[FakeOnramp]:
    fake = FakeOnramp()
    await fake.start()
    yield fake
    await fake.stop()


QUICK = TransportLimits(
    requests_per_minute=1000, connect_seconds=5, attempt_seconds=10, backoff_seconds=0.01, open_seconds=0.2
)


@pytest_asyncio.fixture
async def connect(onramp: FakeOnramp) -> AsyncIterator[Callable[..., Transport]]:
    made: list[Transport] = []

    def make(
        *, previous: str | None = None, style: str = "x-onramp", url: str = "", **limits: Any
    ) -> Transport:
        transport = Transport(
            url or onramp.url,
            Credentials(KEY, SECRET, previous),
            limits=replace(QUICK, **limits),
            white_label_headers=style,
        )
        made.append(transport)
        return transport

    yield make
    for transport in made:
        await transport.close()


@pytest.fixture
def client(connect: Callable[..., Transport]) -> OnrampClient:
    return OnrampClient(connect(), WidgetSettings("https://onramp.money/main", 7))
