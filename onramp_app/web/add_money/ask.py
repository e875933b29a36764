"""Reads what the wizard shows for a person's choices: the offer, any problem with the amount, and a quote.

Asking the provider may be slow, so nothing here runs while the lock of a tab's state is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import currency_of_country
from onramp_app.domain.errors import ApplicationError, ValidationFailed
from onramp_app.domain.money import decimal_text
from onramp_app.domain.payments import AmountLimits
from onramp_app.pricing import quotes
from onramp_app.pricing.bounds import AmountFault, bounds_of, fault_of
from onramp_app.pricing.catalogue import CurrencyOption, Options, OptionsReader, get_options, preferred
from onramp_app.pricing.mid_market import mid_market
from onramp_app.pricing.provider_prices import STABLE_ASSET
from onramp_app.pricing.quotes import PurchaseRequest, Quote, QuoteView, get_shared_quotes, quote_view
from onramp_app.pricing.rates import book_within, rates_into
from onramp_app.pricing.received import amount_for
from onramp_app.providers.errors import AmountOutOfLimits, ProviderUnavailable, UnsupportedCurrency
from onramp_app.throttle import throttle
from onramp_app.top_ups.meter import Meter, read_meter
from onramp_app.top_ups.provider_status import provider_status
from onramp_app.top_ups.usual_time import usual_minutes
from onramp_app.web.add_money.amounts.round import round_amounts
from onramp_app.web.add_money.amounts.words import (
    amount_not_understood_text,
    decimals_text,
    out_of_limits_text,
    too_little_text,
    too_much_text,
    zero_text,
)
from onramp_app.web.add_money.choices import STEPS, Choices
from onramp_app.web.add_money.offer import OfferInputs, offer_of, with_provider_trouble
from onramp_app.web.add_money.shapes import OfferShown
from onramp_app.web.add_money.words import RETRY_SECONDS, needs_tier_text, problem_text

RATES_WITHIN_SECONDS = 0.3
# Where neither a limit nor a rate is known, the search for a total begins here.
_ANY_AMOUNT = Decimal(1000)


@dataclass(frozen=True, slots=True)
class WizardAnswer:
    """What the wizard shows for a person's choices. `choices` are valid, with defaults for those missing.

    `offer` is None when the offer is unknown, `quoted` when there is no quote; `problem` says why.
    `mid_rate` is the mid-market rate of the asset in the currency; None where none is fresh.
    `verify_words`: why the amount needs a higher tier, empty where it does not. `retry_seconds`: after how
    many seconds a retry may help; 0 for never.
    """

    choices: Choices
    offer: OfferShown | None = None
    quoted: QuoteView | None = None
    mid_rate: Decimal | None = None
    amount_problem: str = ""
    receive_problem: str = ""
    verify_words: str = ""
    problem: str = ""
    retry_seconds: int = 0

    @property
    def is_refused(self) -> bool:
        """Whether the amount cannot be added as it is."""
        return bool(self.amount_problem or self.receive_problem or self.verify_words)


# Looking at a currency may take a request to the provider, which allows ten a minute.
_MOST_OTHERS = 3


async def read_offer(viewer: Viewer, choices: Choices) -> WizardAnswer:
    """Return what the wizard shows for choices. Refusals by the provider are returned as text.

    Raises:
        DatabaseUnavailable: our limits, or the usual time of payments, could not be read.
    """
    try:
        found = await _read(viewer, choices)
    except ProviderUnavailable as error:
        return WizardAnswer(choices, problem=problem_text(error), retry_seconds=_retry_seconds(error))
    if found.offer is None:
        return found
    middle = await mid_market() if found.quoted else None
    rate = middle.rate(found.choices.asset, found.choices.currency) if middle else None
    # Read after the quote, whose outcome says the most about the provider's health.
    offer = with_provider_trouble(found.offer, await provider_status(found.choices.asset))
    return replace(found, offer=offer, mid_rate=rate)


async def _read(viewer: Viewer, choices: Choices) -> WizardAnswer:
    reader = get_options()
    row, options = await _currency(viewer, choices, reader)
    choices = _completed(choices, row, options)
    of_provider = _bounds(choices, options)
    meter = await _meter(viewer, row, of_provider)
    bounds = bounds_of(of_provider, most=meter.most_by_tier)
    quick = await _quick_amounts(row, bounds)
    usual = {method.code: await usual_minutes(method.code) for method in options.methods}
    offer = offer_of(OfferInputs(row, options, of_provider, meter, quick, usual), choices)
    found = WizardAnswer(choices, offer)
    if not (choices.receive and (choices.step == STEPS[0] or choices.amount is None)):
        if choices.amount is None and quick:
            proposed = decimal_text(quick[min(1, len(quick) - 1)])
            found = replace(found, choices=replace(choices, amount=proposed))
        found = _judged(found, row, bounds, of_provider, meter=meter)
        if offer.closed or not choices.method or not found.choices.amount or found.is_refused:
            return replace(found, choices=replace(found.choices, step=STEPS[0]))
        return await _with_quote(viewer, found)
    found = replace(found, choices=replace(choices, step=STEPS[0]))
    if offer.closed or not choices.method:
        return found
    first = Decimal(choices.amount) if choices.amount else (*quick, bounds.min or _ANY_AMOUNT)[0]
    found = await _with_total(viewer, found, first=first, decimals=row.decimals, bounds=bounds)
    if found.problem or found.receive_problem:
        return found
    found = _judged(found, row, bounds, of_provider, meter=meter)
    # A problem with the total is shown at the field that was typed into, which caused it.
    found = replace(found, receive_problem=found.amount_problem, amount_problem="")
    return replace(found, quoted=None) if found.is_refused else found


def _judged(
    found: WizardAnswer,
    row: CurrencyOption,
    bounds: AmountLimits,
    of_provider: AmountLimits,
    *,
    meter: Meter,
) -> WizardAnswer:
    """Return the answer with what is wrong with its total, or why the total needs a higher tier."""
    if words := _verify_words(found.choices, row, of_provider, meter=meter):
        return replace(found, verify_words=words)
    return replace(found, amount_problem=_amount_problem(found.choices, row, bounds, of_provider))


async def _with_total(
    viewer: Viewer, found: WizardAnswer, *, first: Decimal, decimals: int, bounds: AmountLimits
) -> WizardAnswer:
    """Return the answer with the total to pay for the wanted amount to arrive, and the quote for it."""
    choices = found.choices

    async def ask(amount: Decimal) -> Quote:
        await throttle.attempt(throttle.QUOTE, viewer.user_id)
        request = replace(request_of(choices), fiat_amount=amount)
        return await quotes.quote(get_shared_quotes(), get_options(), request=request)

    try:
        total = await amount_for(
            Decimal(choices.receive), ask=ask, first=first, decimals=decimals, bounds=bounds
        )
    except AmountOutOfLimits as error:
        words = out_of_limits_text(error.extra, first, choices.currency)
        return replace(found, receive_problem=words)
    except ApplicationError as error:
        return replace(found, problem=problem_text(error), retry_seconds=_retry_seconds(error))
    choices = replace(choices, amount=decimal_text(total.fiat_amount))
    quoted = quote_view(total.quote.quoted) if total.quote else None
    return replace(found, choices=choices, quoted=quoted)


async def _currency(
    viewer: Viewer, choices: Choices, reader: OptionsReader
) -> tuple[CurrencyOption, Options]:
    """Return the chosen currency with what can be bought in it, else the first proposed that sells the asset.

    The person's own is proposed first, then a few others; if none sells the asset, it is the person's own.
    """
    rows = (await reader.options(None)).currencies
    chosen = [row for row in rows if row.code == choices.currency]
    if chosen:
        row = preferred(chosen, choices.country or viewer.country, is_usable=lambda row: row.is_active)
        return row, await reader.options(row.code, country=row.country)
    own, *others = _proposed(viewer, rows)
    found = own, await reader.options(own.code, country=own.country)
    for row in others[:_MOST_OTHERS] if choices.asset and not _sells(found[1], choices.asset) else ():
        options = await reader.options(row.code, country=row.country)
        if _sells(options, choices.asset):
            return row, options
    return found


def _sells(options: Options, asset: str) -> bool:
    return any(option.asset == asset for option in options.assets)


def _proposed(viewer: Viewer, rows: Sequence[CurrencyOption]) -> list[CurrencyOption]:
    """Return the person's own currency first, then the others that can be paid with."""
    active = [row for row in rows if row.is_active]
    wanted = (currency_of_country(viewer.country), viewer.display_currency, "USD")
    at_home = [row for row in active if row.country == viewer.country]
    by_code = [row for code in wanted for row in active if row.code == code]
    return list(dict.fromkeys([*at_home, *by_code, *active])) or list(rows)


def _completed(choices: Choices, row: CurrencyOption, options: Options) -> Choices:
    """Return the choices, with the first that is offered in place of each that is missing or not offered."""
    assets = [option.asset for option in options.assets]
    asset = choices.asset if choices.asset in assets else next(iter(assets), "")
    networks = [option.network for option in options.assets if option.asset == asset]
    network = choices.network if choices.network in networks else next(iter(networks), "")
    codes = [method.code for method in options.methods]
    is_known = choices.method in codes
    step = "pay" if choices.step == "check" and not is_known else choices.step
    return replace(
        choices,
        step=step,
        currency=row.code,
        country=row.country,
        asset=asset,
        network=network,
        method=choices.method if is_known else next(iter(codes), ""),
    )


async def _meter(viewer: Viewer, row: CurrencyOption, of_provider: AmountLimits) -> Meter:
    try:
        return await read_meter(viewer, row.code, decimals=row.decimals, method=of_provider)
    except ProviderUnavailable:
        # The page then says that our limits are not known. They are checked anyway when the top-up is begun.
        return await read_meter(None, row.code, decimals=row.decimals, method=of_provider)


def _bounds(choices: Choices, options: Options) -> AmountLimits:
    """Return the limits of the provider for the currency and the chosen asset."""
    pair = (choices.asset, choices.network)
    least = next((option.min for option in options.assets if (option.asset, option.network) == pair), None)
    return bounds_of(options.limits, least=least)


async def _quick_amounts(row: CurrencyOption, bounds: AmountLimits) -> list[Decimal]:
    book = await book_within(RATES_WITHIN_SECONDS)
    price = rates_into(row.code, book, [STABLE_ASSET]).get(STABLE_ASSET) if book else None
    return round_amounts(price=price, decimals=row.decimals, bounds=bounds)


def _verify_words(choices: Choices, row: CurrencyOption, of_provider: AmountLimits, *, meter: Meter) -> str:
    """Return why the amount needs a higher tier; empty unless only the person's own tier refuses it."""
    if not choices.amount:
        return ""
    amount = Decimal(choices.amount)
    if fault_of(amount, decimals=row.decimals, bounds=of_provider) is not None:
        return ""
    most = meter.most_by_tier
    if most is None or meter.tier_for(amount) is None:
        return ""
    return needs_tier_text(most, row.code)


def _amount_problem(
    choices: Choices, row: CurrencyOption, bounds: AmountLimits, of_provider: AmountLimits
) -> str:
    if not choices.amount:
        return ""
    match fault_of(Decimal(choices.amount), decimals=row.decimals, bounds=bounds):
        case AmountFault.INVALID:
            return amount_not_understood_text() if Decimal(choices.amount) else zero_text()
        case AmountFault.TOO_PRECISE:
            return decimals_text(row.code, row.decimals)
        case AmountFault.TOO_MUCH if bounds.max is not None:
            is_ours = bounds.max != of_provider.max
            return too_much_text(bounds.max, row.code, is_ours=is_ours)
        case AmountFault.TOO_LITTLE if bounds.min is not None:
            return too_little_text(bounds.min, row.code)
    return ""


async def _with_quote(viewer: Viewer, found: WizardAnswer) -> WizardAnswer:
    request = request_of(found.choices)
    try:
        await throttle.attempt(throttle.QUOTE, viewer.user_id)
        quote = await quotes.quote(get_shared_quotes(), get_options(), request=request)
    except AmountOutOfLimits as error:
        words = out_of_limits_text(error.extra, request.fiat_amount, request.fiat_currency)
        return replace(found, choices=replace(found.choices, step="amount"), amount_problem=words)
    except ValidationFailed:
        return replace(found, amount_problem=amount_not_understood_text())
    except ApplicationError as error:
        return replace(found, problem=problem_text(error), retry_seconds=_retry_seconds(error))
    return replace(found, quoted=quote_view(quote.quoted))


def request_of(choices: Choices) -> PurchaseRequest:
    """Return what the choices ask to buy; without an amount, the request is for zero."""
    return PurchaseRequest(
        fiat_currency=choices.currency,
        fiat_amount=Decimal(choices.amount or 0),
        asset=choices.asset,
        network=choices.network,
        payment_method=choices.method,
        country=choices.country,
    )


def _retry_seconds(error: ApplicationError) -> int:
    if isinstance(error, UnsupportedCurrency):
        return 0
    return max(RETRY_SECONDS, error.retry_after_seconds or 0)
