"""Prices that move, and the arithmetic of a quote. Same seed and elapsed time, same price."""

import hashlib
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from onramp_app.simulator.market.catalog import Coin, Fiat, catalog

STEP_SECONDS = 30  # a quote is assumed to live as long
_MOVE_PERCENT = Decimal("0.3")  # at most this far from the middle, so that an honest order stays in tolerance
_CENT = Decimal("0.01")


def draw(seed: int, *labels: object) -> int:
    """Return a number below 2**64 that depends only on the seed and the labels."""
    text = ":".join(map(str, (seed, *labels)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def price(coin: Coin, fiat: Fiat, *, seed: int, elapsed_ms: int) -> Decimal:
    """Return how much fiat one coin costs at a moment after the seed was set, with six digits."""
    step = max(elapsed_ms, 0) // (STEP_SECONDS * 1000)
    share = Decimal(draw(seed, "price", coin.code, step) % 2001 - 1000) / 1000
    value = coin.usd * fiat.per_usd * (1 + share * _MOVE_PERCENT / 100)
    digits = Decimal(1).scaleb(value.adjusted() - 5)
    return value.quantize(digits, ROUND_HALF_UP)


def cut(amount: Decimal, places: int) -> Decimal:
    """Cut, never round up: an amount that was not bought is not printed."""
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_DOWN)


@dataclass(frozen=True)
class Terms:
    """What a purchase costs. Fees are in fiat but `gas_coin`; `bought` and `quantity` are in the coin."""

    rate: Decimal
    fiat_amount: Decimal
    onramp_fee: Decimal
    gateway_fee: Decimal
    client_fee: Decimal
    gas_fiat: Decimal
    gas_coin: Decimal
    bought: Decimal
    quantity: Decimal


def terms(coin: Coin, chain_id: int, *, fiat: Fiat, fiat_amount: Decimal, rate: Decimal) -> Terms:
    """Work out a purchase: `quantity` is net of every fee, `bought` still holds the network's."""
    onramp_fee = (fiat_amount * catalog().onramp_fee_percent / 100).quantize(_CENT, ROUND_HALF_UP)
    percent = catalog().gateway_fee_percent.get(fiat.fiat_type, Decimal(0))
    gateway_fee = (fiat_amount * percent / 100).quantize(_CENT, ROUND_HALF_UP)
    gas_coin = coin.fees[chain_id]
    bought = cut((fiat_amount - onramp_fee - gateway_fee) / rate, coin.places)
    return Terms(
        rate=rate,
        fiat_amount=fiat_amount,
        onramp_fee=onramp_fee,
        gateway_fee=gateway_fee,
        client_fee=Decimal(0),
        gas_fiat=(gas_coin * rate).quantize(_CENT, ROUND_HALF_UP),
        gas_coin=gas_coin,
        bought=bought,
        quantity=bought - gas_coin,
    )


def fiat_for(coin: Coin, chain_id: int, *, coin_amount: Decimal, rate: Decimal) -> Decimal:
    """Return about how much fiat buys an amount of the coin, without the fees that the page shows anyway."""
    return ((coin_amount + coin.fees[chain_id]) * rate * Decimal("1.01")).quantize(_CENT, ROUND_HALF_UP)
