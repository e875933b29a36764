"""Computes what a debit takes: an amount of an asset as given, or of a currency at our stored rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

from babel.numbers import get_currency_precision
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.moments import database_time
from onramp_app.debits.errors import RateTooOld
from onramp_app.domain.errors import FieldError, ValidationFailed
from onramp_app.domain.money import AmountUnreadable, from_minor, to_minor
from onramp_app.ledger.balances import balances
from onramp_app.ledger.errors import InsufficientFunds
from onramp_app.pricing.rate_book import RateBook, UnknownSymbol
from onramp_app.pricing.rates import get_rates, rates_into
from onramp_app.providers.errors import UnsupportedAsset, UnsupportedCurrency

_PRECISION = 80
_RETRY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit of an asset costs in a currency, as of a point in time."""

    rate: Decimal
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What a debit takes, in minor units of an asset, and the price used to compute it, if any."""

    asset: str
    minor: int
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class FiatAmount:
    """An amount of a currency, with the stored rates and the time at which they have to be fresh."""

    amount: Decimal
    currency: str
    book: RateBook
    at: datetime


async def with_rates(amount: Decimal, currency: str) -> FiatAmount:
    """Return an amount of a currency together with the stored rates.

    Raises:
        ValidationFailed: the amount has more decimals than the currency.
        UnsupportedCurrency: there is no rate for the currency.
        RateTooOld: the rate is older than 15 minutes.
        ProviderUnavailable: there are no rates.
    """
    decimals = get_currency_precision(currency)
    if amount != round(amount, decimals):
        raise _unusable(f"{currency} has no more than {decimals} decimals.")
    book = await get_rates().book()
    try:
        known = book.of([currency])
    except UnknownSymbol:
        raise UnsupportedCurrency(f"There is no rate for {currency}.") from None
    at = await database_time()
    _require_fresh(known, at=at)
    return FiatAmount(amount, currency, book, at)


def taken_of_asset(amount: Decimal, asset: str, known: Mapping[str, int]) -> Taken:
    """Return what a debit of an amount of an asset takes.

    Raises:
        UnsupportedAsset: the books do not have the asset.
        ValidationFailed: the amount is zero, or cannot be written in the asset's minor units.
    """
    scale = _scale_of(asset, known)
    try:
        minor = to_minor(amount, scale=scale)
    except AmountUnreadable as error:
        raise _unusable(f"{asset}: {error}.") from None
    if not minor:
        raise _unusable("Name an amount above zero.")
    return Taken(asset, minor)


def taken_of_currency(fiat: FiatAmount, asset: str, known: Mapping[str, int]) -> Taken:
    """Return what a debit of an amount of a currency takes in an asset, rounded to the nearest minor unit.

    Raises:
        UnsupportedAsset: the books do not have the asset, or there is no rate for it.
        RateTooOld: the rate is older than 15 minutes.
        ValidationFailed: the result is less than one minor unit, or more than the books can hold.
    """
    scale = _scale_of(asset, known)
    try:
        of_both = fiat.book.of([asset, fiat.currency])
        rate = of_both.rates(asset, [fiat.currency])[fiat.currency]
    except UnknownSymbol:
        raise UnsupportedAsset(f"There is no rate between {asset} and {fiat.currency}.") from None
    _require_fresh(of_both, at=fiat.at)
    with localcontext(prec=_PRECISION):
        nearest = (fiat.amount / rate).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if not nearest:
        raise _unusable(f"This is less than the smallest amount of {asset}.")
    try:
        return Taken(asset, to_minor(nearest, scale=scale), Price(rate, of_both.as_of))
    except AmountUnreadable as error:
        raise _unusable(f"{asset}: {error}.") from None


async def taken_of_any(db: AsyncSession, user_id: str, fiat: FiatAmount) -> Taken:
    """Return what a debit of an amount of a currency takes in the user's asset that is worth most.

    Raises:
        InsufficientFunds: the user has nothing available that there is a rate for.
        RateTooOld: the rate of that asset is older than 15 minutes.
    """
    kept = [one for one in (await balances(db, [user_id]))[user_id] if one.balance.available_minor]
    rates = rates_into(fiat.currency, fiat.book, [one.asset for one in kept])
    worth = {
        one.asset: from_minor(one.balance.available_minor, scale=one.scale) * rates[one.asset]
        for one in kept
        if one.asset in rates
    }
    if not worth:
        raise InsufficientFunds("There is nothing available that this can be taken of.")
    most = max(worth, key=lambda asset: (worth[asset], asset))
    return taken_of_currency(fiat, most, {one.asset: one.scale for one in kept})


def _scale_of(asset: str, known: Mapping[str, int]) -> int:
    if (scale := known.get(asset)) is None:
        raise UnsupportedAsset(f"{asset} is not kept here.")
    return scale


def _require_fresh(book: RateBook, *, at: datetime) -> None:
    if book.is_stale(at):
        raise RateTooOld(
            "The exchange rate is more than 15 minutes old, so no amount of a currency can be taken by it."
            " Name an amount of the asset, or try again.",
            retry_after_seconds=_RETRY_SECONDS,
        )


def _unusable(message: str) -> ValidationFailed:
    return ValidationFailed("One or more fields cannot be used.", errors=(FieldError("amount", message),))
