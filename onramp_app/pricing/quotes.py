"""Checks a purchase request against what is offered, and asks the provider for a quote."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_UP, Decimal, localcontext
from functools import lru_cache
from typing import Any, Protocol

from onramp_app.domain.errors import FieldError, ValidationFailed
from onramp_app.domain.money import decimal_text
from onramp_app.domain.payments import AmountLimits, PaymentKind
from onramp_app.pricing.bounds import AmountFault, bounds_of, fault_of
from onramp_app.pricing.catalogue import OptionsReader, methods_of
from onramp_app.providers.connection import get_provider
from onramp_app.providers.errors import (
    AmountOutOfLimits,
    UnsupportedAsset,
    UnsupportedCurrency,
    UnsupportedPaymentMethod,
)
from onramp_app.providers.port import FiatType, OrderFlow, Provider, ProviderQuote
from onramp_app.providers.shared_answers import SharedAnswers
from onramp_app.providers.status import Flow

# Short enough that nobody loses much of the 30 seconds for which a quote is assumed to be valid.
SHARED_SECONDS = 3
# The most by which prices move between a quote and the purchase, on all but the wildest days.
_PRICES_MOVE_PERCENT = 5
# An upper estimate of the provider's percentage fees, for proposing a larger amount.
_FEES_AT_MOST = Decimal("0.03")
_PRECISION = 60


@dataclass(frozen=True, slots=True)
class QuoteView:
    """What the provider expected to deliver. Amounts are decimal strings; fees in the fiat currency."""

    rate: str
    fiat_amount: str
    expected_amount: str
    provider_fee: str
    gateway_fee: str
    network_fee: str
    client_fee: str
    expires_at: datetime


def quote_view(quoted: ProviderQuote) -> QuoteView:
    """Return the view of a provider's quote."""
    return QuoteView(
        rate=decimal_text(quoted.rate),
        fiat_amount=decimal_text(quoted.fiat_amount),
        expected_amount=decimal_text(quoted.expected_amount),
        provider_fee=decimal_text(quoted.provider_fee),
        gateway_fee=decimal_text(quoted.gateway_fee),
        network_fee=decimal_text(quoted.network_fee),
        client_fee=decimal_text(quoted.client_fee),
        expires_at=quoted.expires_at,
    )


def quote_members(quote: QuoteView) -> dict[str, object]:
    """Return a quote as a JSON object of the public contract, as it is stored and sent in answers."""
    return {
        "rate": quote.rate,
        "fiat_amount": quote.fiat_amount,
        "expected_amount": quote.expected_amount,
        "fees": {
            "provider": quote.provider_fee,
            "gateway": quote.gateway_fee,
            "network": quote.network_fee,
            "client": quote.client_fee,
        },
        "expires_at": quote.expires_at.isoformat().replace("+00:00", "Z"),
    }


def quote_of(kept: Mapping[str, Any]) -> QuoteView:
    """Return the quote in an object that `quote_members` made."""
    fees = kept["fees"]
    return QuoteView(
        rate=kept["rate"],
        fiat_amount=kept["fiat_amount"],
        expected_amount=kept["expected_amount"],
        provider_fee=fees["provider"],
        gateway_fee=fees["gateway"],
        network_fee=fees["network"],
        client_fee=fees["client"],
        expires_at=datetime.fromisoformat(kept["expires_at"]),
    )


@dataclass(frozen=True, slots=True)
class PurchaseRequest:
    """What a person wants to buy, and how they pay.

    `fiat_amount` is in whole units; `country` selects the entry where a currency has several.
    """

    fiat_currency: str
    fiat_amount: Decimal
    asset: str
    network: str
    payment_method: str
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """A checked request with the provider's ids and its quote."""

    request: PurchaseRequest
    fiat_type: int
    coin_id: int
    chain_id: int
    payment_kind: PaymentKind
    quoted: ProviderQuote


def is_much_less(quoted: str, arrived: str) -> bool:
    """Return whether much less of an asset arrived than was quoted: more than price moves can explain.

    Both amounts are decimal strings in the same asset.
    """
    return Decimal(arrived) * 100 < Decimal(quoted) * (100 - _PRICES_MOVE_PERCENT)


class QuoteSource(Protocol):
    """A source of quotes: the provider itself, or its recent answers that callers share."""

    async def quote(
        self, *, flow: OrderFlow, fiat_type: int, fiat_amount: Decimal, coin_code: str, network: str
    ) -> ProviderQuote:
        """Return a quote."""
        ...


class SharedQuotes:
    """Quotes for display: identical requests within three seconds share one answer of the provider's.

    Not for beginning a top-up, which stores its own quote. One for each process; belongs to one event loop.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._answers: SharedAnswers[ProviderQuote] = SharedAnswers()

    async def close(self) -> None:
        """Cancel the requests in flight."""
        await self._answers.close()

    async def quote(
        self, *, flow: OrderFlow, fiat_type: int, fiat_amount: Decimal, coin_code: str, network: str
    ) -> ProviderQuote:
        """Return the shared quote, with its original expiry. Raises what the provider raises."""
        return await self._answers.get(
            f"{flow} {fiat_type} {fiat_amount} {coin_code} {network}",
            SHARED_SECONDS,
            ask=lambda: self._provider.quote(
                flow=flow,
                fiat_type=fiat_type,
                fiat_amount=fiat_amount,
                coin_code=coin_code,
                network=network,
            ),
        )


async def quote(source: QuoteSource, options: OptionsReader, *, request: PurchaseRequest) -> Quote:
    """Check a purchase request and return the provider's quote for it.

    Raises:
        ValidationFailed: the amount has more decimals than the currency, or is not above zero.
        UnsupportedCurrency, UnsupportedPaymentMethod, UnsupportedAsset: not offered now.
        AmountOutOfLimits: `extra` holds `min` and `max` as decimal strings, where they are known.
        ProviderUnavailable: there was no usable answer.
    """
    catalogue = await options.catalogue()
    row = catalogue.fiat_type(request.fiat_currency, request.country)
    if (reason := catalogue.reason_against(row)) is not None:
        raise UnsupportedCurrency(reason)
    methods = {method.code: method for method in methods_of(catalogue, row)}
    if request.payment_method not in methods:
        raise UnsupportedPaymentMethod("This payment method is not offered for this currency.")
    if (request.asset, request.network) not in options.enabled_pairs():
        raise UnsupportedAsset("This asset is not offered on this network.")
    coin_id, chain_id = pair = catalogue.pair(request.asset, request.network)
    minimums = await options.minimums(row.fiat_type)
    if (reason := catalogue.reason_against_pair(pair, row=row, minimums=minimums)) is not None:
        raise UnsupportedAsset(f"{reason}.")
    least = minimums.get(coin_id, {}).get(chain_id)
    limits = bounds_of(catalogue.limits.get(row.fiat_type), least=least)
    _check(request.fiat_amount, row, limits)
    try:
        quoted = await source.quote(
            flow=Flow.BUY,
            fiat_type=row.fiat_type,
            fiat_amount=request.fiat_amount,
            coin_code=request.asset,
            network=request.network,
        )
    except AmountOutOfLimits as refused:
        raise _out_of(limits) from refused
    least_sent = catalogue.least_sent(pair)
    if least_sent is not None and quoted.expected_amount < least_sent:
        raise _out_of(bounds_of(limits, least=_amount_for(least_sent, quoted, decimals=row.decimals)))
    return Quote(request, row.fiat_type, coin_id, chain_id, methods[request.payment_method].kind, quoted)


def _amount_for(expected: Decimal, quoted: ProviderQuote, *, decimals: int) -> Decimal:
    """Return an estimate, rounded up, of what has to be paid for `expected` of the asset to arrive."""
    with localcontext(prec=_PRECISION):
        more = (expected - quoted.expected_amount) * quoted.rate * (1 + _FEES_AT_MOST)
        return (quoted.fiat_amount + more).quantize(Decimal(1).scaleb(-decimals), ROUND_UP)


def _check(amount: Decimal, row: FiatType, limits: AmountLimits) -> None:
    match fault_of(amount, decimals=row.decimals, bounds=limits):
        case AmountFault.INVALID:
            raise _invalid("Enter an amount above zero.")
        case AmountFault.TOO_PRECISE:
            raise _invalid(f"{row.currency} has {row.decimals} decimals at most.")
        case AmountFault.TOO_LITTLE | AmountFault.TOO_MUCH:
            raise _out_of(limits)


def _invalid(message: str) -> ValidationFailed:
    return ValidationFailed("The amount is not valid.", errors=(FieldError("fiat_amount", message),))


def _out_of(limits: AmountLimits) -> AmountOutOfLimits:
    known = {"min": limits.min, "max": limits.max}
    extra = {name: format(amount, "f") for name, amount in known.items() if amount is not None}
    return AmountOutOfLimits("The amount is outside the limits.", extra=extra)


@lru_cache(maxsize=1)
def get_shared_quotes() -> SharedQuotes:
    """Return this process's shared quotes for display."""
    return SharedQuotes(get_provider())


async def close() -> None:
    """Cancel the display quotes in flight, at shutdown or before another event loop needs them."""
    if get_shared_quotes.cache_info().currsize:
        await get_shared_quotes().close()
        get_shared_quotes.cache_clear()
