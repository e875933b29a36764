"""Turns an offer into what the wizard shows: lists to choose from, limits, payment methods."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from babel import Locale

from onramp_app.config import get_settings
from onramp_app.domain.amounts import fiat_text
from onramp_app.domain.money import decimal_text
from onramp_app.domain.payments import AmountLimits
from onramp_app.pricing.bounds import bounds_of
from onramp_app.pricing.catalogue import AssetOption, CurrencyOption, MethodOption, Options
from onramp_app.pricing.methods import rail_of, rail_text
from onramp_app.pricing.names import asset_name, method_name, network_name
from onramp_app.providers.status import HealthState
from onramp_app.texts import _, current_language
from onramp_app.top_ups.meter import LimitPeriod, LimitRule, Meter
from onramp_app.top_ups.provider_status import ProviderStatus
from onramp_app.web.add_money.amounts.signs import shown_sign
from onramp_app.web.add_money.amounts.words import limits_text
from onramp_app.web.add_money.choices import Choices
from onramp_app.web.add_money.shapes import (
    AllowanceLine,
    Choice,
    ClosedChoices,
    ClosedCurrencies,
    CurrencyChoice,
    MethodCard,
    OfferShown,
    QuickAmount,
)
from onramp_app.web.add_money.words import binding_text, published_text, raises_text
from onramp_app.web.words.amounts import moment_text
from onramp_app.web.words.durations import published_time_text, usually_text
from onramp_app.web.words.limits import left_text, shown_left

_Choice = TypeVar("_Choice")


@dataclass(frozen=True, slots=True)
class OfferInputs:
    """What an offer is made of: the chosen currency, its options, round amounts and usual minutes by method.

    `bounds` are the limits of the provider alone, `meter` holds all limits.
    """

    row: CurrencyOption
    options: Options
    bounds: AmountLimits
    meter: Meter
    quick: Sequence[Decimal]
    usual: Mapping[str, int | None]


def offer_of(inputs: OfferInputs, choices: Choices) -> OfferShown:
    """Return everything that can be chosen, and everything that is closed, with the reason."""
    row, options = inputs.row, inputs.options
    sign, is_after = shown_sign(row.code)
    several = {code for code in _codes(options) if _codes(options).count(code) > 1}
    usable = (_currency_choice(other, several) for other in options.currencies if other.is_active)
    return OfferShown(
        currency=row.code,
        country=row.country,
        currency_value=f"{row.code}-{row.country}",
        decimals=row.decimals,
        sign=sign,
        sign_is_after=is_after,
        currencies=tuple(sorted(usable, key=_by_name)),
        closed_currencies=tuple(
            ClosedCurrencies(reason, tuple(sorted(choices, key=_by_name)))
            for reason, choices in _by_reason(
                (other.reason, _currency_choice(other, several))
                for other in options.currencies
                if other.reason is not None
            ).items()
        ),
        closed=row.reason or ("" if options.assets else _("Nothing can be bought at the moment.")),
        limits=limits_text(_at_once(inputs), row.code),
        quick=tuple(
            QuickAmount(decimal_text(amount), fiat_text(amount, row.code)) for amount in inputs.quick
        ),
        allowances=_allowances(inputs.meter, row.code),
        binding=binding_text(inputs.meter),
        raises=raises_text(inputs.meter),
        published=published_text(inputs.meter),
        assets=_asset_choices(options.assets),
        closed_assets=_closed_asset_choices(options),
        networks=_network_choices(options, choices.asset),
        closed_networks=_closed(
            (closed.reason, Choice(closed.network, network_name(closed.network)))
            for closed in options.closed_assets
            if closed.asset == choices.asset
        ),
        methods=(
            *(_method_card(method, row.code, inputs.usual.get(method.code)) for method in options.methods),
            *(_closed_card(method) for method in options.closed_methods),
        ),
    )


def with_provider_trouble(offer: OfferShown, status: ProviderStatus) -> OfferShown:
    """Return the offer with a warning about the provider's health; unchanged where all is well."""
    if status.state is HealthState.OK and not status.paused:
        return offer
    return replace(offer, provider_trouble=status.text, last_settled_at=moment_text(status.last_settled_at))


def _at_once(inputs: OfferInputs) -> AmountLimits:
    """Return how much one payment may be, by the provider's limits and by our limit for each top-up."""
    lines = inputs.meter.lines
    ours = [one.left for one in lines if one.rule is LimitRule.TIER and one.period is LimitPeriod.TOP_UP]
    return bounds_of(inputs.bounds, most=shown_left(ours[0]) if ours else None)


def _codes(options: Options) -> list[str]:
    return [row.code for row in options.currencies]


def _currency_choice(row: CurrencyOption, several: set[str]) -> CurrencyChoice:
    language = Locale.parse(current_language())
    name = language.currencies.get(row.code, row.name)
    country = language.territories.get(row.country, row.country)
    return CurrencyChoice(
        f"{row.code}-{row.country}",
        row.code,
        f"{name} ({country})" if row.code in several else name,
        flag=row.country.lower(),
        search=f"{row.code} {name} {country} {shown_sign(row.code)[0]}",
    )


def _by_name(choice: CurrencyChoice) -> tuple[str, str]:
    return choice.code, choice.name


def _by_reason(rows: Iterable[tuple[str, _Choice]]) -> dict[str, list[_Choice]]:
    groups: dict[str, list[_Choice]] = {}
    for reason, choice in rows:
        groups.setdefault(reason, []).append(choice)
    return groups


def _closed(rows: Iterable[tuple[str, Choice]]) -> tuple[ClosedChoices, ...]:
    """Return what cannot be chosen now, grouped by the reason."""
    return tuple(ClosedChoices(reason, tuple(choices)) for reason, choices in _by_reason(rows).items())


def _network_choices(options: Options, asset: str) -> tuple[Choice, ...]:
    """Return the networks to choose from for an asset: none where it has only one, open or closed."""
    networks = [option.network for option in options.assets if option.asset == asset]
    is_choice = len(networks) > 1 or any(closed.asset == asset for closed in options.closed_assets)
    return tuple(Choice(network, network_name(network)) for network in networks if is_choice)


def _asset_choices(options: Sequence[AssetOption]) -> tuple[Choice, ...]:
    return tuple(_asset_choice(asset) for asset in dict.fromkeys(option.asset for option in options))


def _closed_asset_choices(options: Options) -> tuple[ClosedChoices, ...]:
    """Return the assets that are closed on every network, each with the first reason."""
    open_ones = {option.asset for option in options.assets}
    reasons: dict[str, str] = {}
    for closed in options.closed_assets:
        if closed.asset not in open_ones:
            reasons.setdefault(closed.asset, closed.reason)
    return _closed((reason, _asset_choice(asset)) for asset, reason in reasons.items())


def _asset_choice(asset: str) -> Choice:
    return Choice(asset, f"{asset} · {asset_name(asset)}")


def _method_card(method: MethodOption, currency: str, minutes: int | None) -> MethodCard:
    limits = limits_text(AmountLimits(method.min, method.max), currency)
    time = usually_text(minutes) or published_time_text(method.published_time)
    return _card(method, limits=limits, time=time)


def _closed_card(method: MethodOption) -> MethodCard:
    return _card(
        method,
        closed=_("Not offered by {provider} at the moment").format(provider=get_settings().provider_name),
    )


def _card(method: MethodOption, *, limits: str = "", time: str = "", closed: str = "") -> MethodCard:
    rail, name = rail_of(method.code, method.kind), method_name(method.code)
    kind = rail_text(rail)
    return MethodCard(
        code=method.code,
        name=name,
        rail=str(rail),
        kind="" if kind == name else kind,
        limits=limits,
        time=f"{time[:1].upper()}{time[1:]}",
        closed=closed,
    )


def _allowances(meter: Meter, currency: str) -> tuple[AllowanceLine, ...]:
    """Return what is left of our own daily and monthly limits."""
    labels = {LimitPeriod.DAY: _("Left today"), LimitPeriod.MONTH: _("Left this month")}
    return tuple(
        AllowanceLine(
            labels[line.period],
            _("{left} of {limit}").format(
                left=left_text(line.left, currency), limit=left_text(line.max, currency)
            ),
            int((line.max - line.left) * 100 / line.max) if line.max else 100,
        )
        for line in meter.lines
        if line.rule is LimitRule.TIER and line.period in labels
    )
