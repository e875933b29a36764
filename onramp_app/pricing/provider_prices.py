"""Reads indicative prices from the provider: a quote per currency, and its price list for other assets."""

import asyncio
from collections.abc import Iterable
from decimal import Decimal, localcontext

import structlog

from onramp_app.domain.clock import now
from onramp_app.domain.errors import ApplicationError
from onramp_app.pricing.catalogue import Catalogue
from onramp_app.pricing.rate_book import RateBook
from onramp_app.providers.connection import ADAPTER
from onramp_app.providers.errors import ProviderUnavailable, UnsupportedAsset
from onramp_app.providers.port import FiatType, Provider
from onramp_app.providers.status import Flow

log = structlog.get_logger(__name__)

STABLE_ASSET = "USDT"
# The cheaper network comes first. Some currencies, dollars among them, can buy USDT only on the other one.
STABLE_NETWORKS = ("matic20", "erc20")
# A quote near the minimum is mostly network fee. The rate itself contains no fees, but some currencies refuse
# small amounts, so we ask for several times the minimum.
TIMES_THE_MINIMUM = 4
UNLIMITED_AMOUNT = Decimal(1000)
QUOTES_AT_ONCE = 4


async def read_rates(provider: Provider, catalogue: Catalogue, *, assets: Iterable[str]) -> RateBook:
    """Return a new book of rates, without the currencies and assets that have no price now.

    Raises:
        ProviderUnavailable: not a single currency could be priced.
    """
    started_at = now()
    gate = asyncio.Semaphore(QUOTES_AT_ONCE)
    # Of several entries of one currency the first, the general one, gives the price.
    rows = {
        row.currency: row
        for row in reversed(tuple(ADAPTER.fiat_types.values()))
        if catalogue.reason_against(row) is None
    }
    prices = await asyncio.gather(*(_price(provider, catalogue, row=row, gate=gate) for row in rows.values()))
    per_stable = {currency: price for currency, price in zip(rows, prices, strict=True) if price is not None}
    if not per_stable:
        raise ProviderUnavailable("There are no exchange rates at the moment.", retry_after_seconds=60)
    return RateBook({STABLE_ASSET: Decimal(1), **await _assets(provider, assets), **per_stable}, started_at)


async def _price(
    provider: Provider, catalogue: Catalogue, *, row: FiatType, gate: asyncio.Semaphore
) -> Decimal | None:
    least = catalogue.limits.get(row.fiat_type)
    amount = UNLIMITED_AMOUNT if least is None or not least.min else least.min * TIMES_THE_MINIMUM
    for network in STABLE_NETWORKS:
        try:
            async with gate:
                quoted = await provider.quote(
                    flow=Flow.BUY,
                    fiat_type=row.fiat_type,
                    fiat_amount=amount,
                    coin_code=STABLE_ASSET,
                    network=network,
                )
        except UnsupportedAsset:
            continue
        except ApplicationError as error:
            log.warning("rate_not_read", currency=row.currency, error=error.code)
            return None
        return quoted.rate if quoted.rate > 0 else None
    log.warning("rate_not_read", currency=row.currency, error=UnsupportedAsset.code)
    return None


async def _assets(provider: Provider, assets: Iterable[str]) -> dict[str, Decimal]:
    try:
        listed = await provider.public_config()
    except ProviderUnavailable:
        log.warning("asset_prices_not_read")
        return {}
    coins = listed.coins_and_chains.coins

    def in_rupees(asset: str) -> Decimal | None:
        coin = coins.get(asset.lower())
        prices = listed.inr_prices.get(coin.coin_id, {}) if coin else {}
        # Where each network has its own price, the lowest is nearest to the market price.
        return min(prices.values(), default=None)

    stable = in_rupees(STABLE_ASSET)
    if stable is None:
        return {}
    with localcontext(prec=30):
        found = {asset: in_rupees(asset) for asset in assets if asset != STABLE_ASSET}
        return {asset: stable / price for asset, price in found.items() if price is not None}
