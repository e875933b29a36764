"""The total cost of a purchase, measured against the mid-market rate: halfway between buying and selling.

That rate comes from a service that the operator names (`MID_MARKET_URL`), never from the provider, whose
prices include its own margin. Where no rate of the last day is known, no cost is shown.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_UP, Decimal, localcontext
from functools import cache
from time import monotonic

import httpx

from onramp_app.config import get_settings
from onramp_app.domain import clock
from onramp_app.domain.exact_json import Json, NotJson, read_json
from onramp_app.proxies import proxy_for
from onramp_app.telemetry.faults import Fault

# Longer than a day, because daily reference rates do not appear at the same second each day.
FRESH = timedelta(hours=26)
REFRESHED_AFTER_SECONDS = 600.0
REST_AFTER_FAILURE_SECONDS = 60.0
ANSWER_SECONDS = 0.5  # Somebody is waiting for the page, which can do without the rate.
MAX_ANSWER_BYTES = 64 * 1024
# The time assumed for reference rates that name only a day, such as those of the European Central Bank.
_DAILY_AT = time(16, tzinfo=UTC)
_DOLLAR = "USD"
# Each counts as one dollar where the service has no price for it.
_DOLLAR_ASSETS = frozenset({"USDT", "USDC", "PYUSD", "DAI", "BUSD", "TUSD", "USDP", "FDUSD"})
_SYMBOL = re.compile(r"[A-Z0-9]{2,10}", re.ASCII)

_AWAY = Fault(
    "mid-market rates",
    lasts="mid-market rates cannot be read: pages do not say what a purchase costs against them",
    is_over="mid-market rates can be read again",
)


@dataclass(frozen=True, slots=True)
class MidMarket:
    """How many units of each symbol one dollar is worth, as of one moment."""

    per_dollar: Mapping[str, Decimal]
    as_of: datetime

    def rate(self, asset: str, currency: str) -> Decimal | None:
        """Return how much of a currency one unit of an asset is worth; None where that is not known."""
        one = self.per_dollar.get(asset, Decimal(1) if asset in _DOLLAR_ASSETS else None)
        price = self.per_dollar.get(currency)
        return None if one is None or price is None else price / one


@dataclass
class _Kept:
    """The rates last read, and when they may be read again (monotonic seconds)."""

    found: MidMarket | None = None
    due_at: float = float("-inf")


_kept = _Kept()


def forget() -> None:
    """Clear the cached rates."""
    _kept.found, _kept.due_at = None, float("-inf")


async def mid_market() -> MidMarket | None:
    """Return the mid-market rates, cached for ten minutes; None where none of the last day are known."""
    url = get_settings().mid_market_source
    if url is None:
        return None
    if monotonic() >= _kept.due_at:
        _kept.due_at = monotonic() + REST_AFTER_FAILURE_SECONDS
        try:
            _kept.found = _read(await _ask(url))
        except (httpx.HTTPError, NotJson, ValueError) as error:
            _AWAY.happened(reason=type(error).__name__)
        else:
            _kept.due_at = monotonic() + REFRESHED_AFTER_SECONDS
            _AWAY.over()
    found = _kept.found
    is_fresh = found is not None and timedelta(minutes=-5) <= clock.now() - found.as_of <= FRESH
    return found if is_fresh else None


def cost_percent(*, paid: Decimal, received: Decimal, rate: Decimal) -> Decimal:
    """Return what percentage of the payment does not arrive, rounded up to one decimal; at least 0.

    Args:
        paid: what is paid in the currency, above zero.
        received: what arrives in the asset.
        rate: the mid-market rate of the asset in the currency.
    """
    with localcontext(prec=30):
        lost = (paid - received * rate) / paid * 100
        return max(Decimal(0), lost.quantize(Decimal("0.1"), ROUND_UP))


@cache
def _authorities() -> ssl.SSLContext:
    """Load the trusted certificates, once per process."""
    return httpx.create_ssl_context()


async def _ask(url: str) -> str:
    client = httpx.AsyncClient(
        timeout=ANSWER_SECONDS,
        follow_redirects=False,
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        trust_env=False,
        proxy=proxy_for(url),
        verify=_authorities(),
    )
    body = bytearray()
    async with client, client.stream("GET", url) as answer:
        answer.raise_for_status()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError("too long")
    return body.decode()


def _read(text: str) -> MidMarket:
    """Parse `{base, rates, timestamp}` or `{base, rates, date}`. Raises `ValueError` for anything else."""
    answer = read_json(text)
    if not isinstance(answer, dict) or not isinstance(listed := answer.get("rates"), dict):
        raise ValueError("no rates")
    rates = {
        symbol: Decimal(price)
        for symbol, price in listed.items()
        if _SYMBOL.fullmatch(symbol)
        and isinstance(price, (int, Decimal))
        and not isinstance(price, bool)
        and price > 0
    }
    base = answer.get("base")
    if isinstance(base, str):
        rates[base] = Decimal(1)
    if _DOLLAR not in rates:
        raise ValueError("no dollar")
    with localcontext(prec=30):
        per_dollar = {symbol: price / rates[_DOLLAR] for symbol, price in rates.items()}
    return MidMarket(per_dollar, _moment(answer))


def _moment(answer: Mapping[str, Json]) -> datetime:
    timestamp, date = answer.get("timestamp"), answer.get("date")
    if isinstance(timestamp, int) and not isinstance(timestamp, bool) and 0 < timestamp < 10**11:
        return datetime.fromtimestamp(timestamp, UTC)
    if isinstance(date, str):
        return datetime.combine(datetime.fromisoformat(date).date(), _DAILY_AT)
    raise ValueError("no time")
