"""Mid-market rates: read from the operator's source, and not used unless they are current."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from onramp_app.config import get_settings
from onramp_app.pricing import mid_market
from onramp_app.pricing.mid_market import MidMarket, cost_percent
from tests.simulator.process import Process

NOW = datetime.now(UTC)
RATES = {"INR": 88.25, "EUR": 0.92, "BTC": 0.00001}
FRESH = {"base": "USD", "timestamp": int(NOW.timestamp()), "rates": RATES}


@contextmanager
def _answering(body: bytes, status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/rates"
    finally:
        server.shutdown()
        server.server_close()


Read = Callable[..., object]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Read]:
    """A function that reads rates from a service with a given answer; bytes are sent verbatim."""

    async def read(body: object, *, status: int = 200) -> MidMarket | None:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        with _answering(sent, status) as url:
            monkeypatch.setenv("MID_MARKET_URL", url)
            get_settings.cache_clear()
            mid_market.forget()
            return await mid_market.mid_market()

    yield read
    mid_market.forget()


async def test_a_rate_of_any_asset_in_any_currency_follows(reads: Read) -> None:
    found = await reads(FRESH)
    assert found.rate("USDT", "INR") == Decimal("88.25")
    assert found.rate("USDC", "USD") == 1
    assert found.rate("BTC", "EUR") == Decimal(92000)
    assert found.rate("ETH", "INR") is None
    assert found.rate("USDT", "NGN") is None


async def test_another_base_is_turned_into_dollars(reads: Read) -> None:
    latest = NOW - timedelta(hours=16)  # A daily reference rate is from 16:00.
    found = await reads(
        {"base": "EUR", "date": latest.date().isoformat(), "rates": {"USD": 1.25, "INR": 100}}
    )
    assert (found.rate("USDT", "INR"), found.rate("USDT", "EUR")) == (Decimal(80), Decimal("0.8"))


@pytest.mark.parametrize(
    "time",
    [
        {"timestamp": int((NOW - timedelta(hours=27)).timestamp())},
        {"timestamp": int((NOW + timedelta(hours=1)).timestamp())},
        {"date": (NOW - timedelta(days=3)).date().isoformat()},
        {"date": "yesterday"},
        {"timestamp": "now"},
        {"timestamp": True},
        {"timestamp": 10**30},
        {},
    ],
)
async def test_what_is_not_of_this_day_is_not_spoken_of(reads: Read, time: dict[str, object]) -> None:
    assert await reads({"base": "USD", "rates": RATES, **time}) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"rates": 1}',
        b'{"rates": {"INR": 88}, "timestamp": 1}',
        b'{"base": "USD", "rates": {"INR": 1e999999999}, "timestamp": 1}',
        b"\xff",
        b" " * (mid_market.MAX_ANSWER_BYTES + 1),
    ],
)
async def test_what_cannot_be_read_is_not_spoken_of(reads: Read, body: bytes) -> None:
    assert await reads(body) is None


async def test_rates_that_are_none_are_left_out(reads: Read) -> None:
    odd = {"INR": 0, "EUR": -1, "GBP": "1", "XAF": True, "lower": 1, "VND": 25400}
    found = await reads({**FRESH, "rates": odd})
    assert set(found.per_dollar) == {"USD", "VND"}


@pytest.mark.parametrize("status", [204, 301, 404, 500])
async def test_a_service_that_is_away_is_not_asked_again_at_once(reads: Read, status: int) -> None:
    assert await reads(FRESH, status=status) is None
    # The server is gone by now, and no further request is made.
    assert await mid_market.mid_market() is None


async def test_the_simulator_says_the_middle_around_which_its_prices_move(
    simulator: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    mid_market.forget()
    found = await mid_market.mid_market()
    assert found is not None
    assert (found.rate("USDT", "INR"), found.rate("USDT", "ZAR")) == (Decimal(88), Decimal(18))
    monkeypatch.setenv("APP_ENV", "development")
    monkeypatch.setenv("ONRAMP_API_URL", "https://api.provider.example")
    get_settings.cache_clear()
    mid_market.forget()
    assert await mid_market.mid_market() is None, "no reference is asked that nobody named"


@pytest.mark.parametrize(
    ("paid", "received", "rate", "percent"),
    [
        ("5000", "56.25", "88", "1.0"),
        ("5000", "56.2", "88", "1.1"),
        ("5000", "56.81818181", "88", "0.1"),
        ("5000", "60", "88", "0"),
    ],
)
def test_the_cost_is_rounded_up_and_never_below_nothing(paid, received, rate, percent) -> None:
    cost = cost_percent(paid=Decimal(paid), received=Decimal(received), rate=Decimal(rate))
    assert cost == Decimal(percent)
