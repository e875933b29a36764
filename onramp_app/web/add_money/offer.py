"""Puts the offer into the words of the wizard: lists to choose from, limits, payment methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from babel import Locale

from onramp_app.domain.money import decimal_text
from onramp_app.domain.payments import AmountLimits, PaymentKind
from onramp_app.pricing.catalogue import AssetOption, CurrencyOption, MethodOption, Options
from onramp_app.texts import _, current_language
from onramp_app.top_ups.limits import Remaining
from onramp_app.web.add_money.choices import Choices
from onramp_app.web.add_money.shapes import (
    AllowanceLine,
    Choice,
    ClosedChoices,
    MethodCard,
    OfferShown,
    QuickAmount,
)
from onramp_app.web.add_money.words import left_text, limits_text
from onramp_app.web.words.amounts import fiat_text
from onramp_app.web.words.durations import usually_text
from onramp_app.web.words.names import asset_name, method_name, network_name


@dataclass(frozen=True, slots=True)
class OfferInputs:
    """What an offer is made of: the chosen currency, its options, round amounts and usual minutes.

    `bounds` are the limits of the provider alone, `remaining` what is left of our own.
    """

    row: CurrencyOption
    options: Options
    bounds: AmountLimits
    remaining: Remaining | None
    quick: Sequence[Decimal]
    usual: Mapping[str, int | None]


def offer_of(inputs: OfferInputs, choices: Choices) -> OfferShown:
    """Return everything that can be chosen, and what is closed with its reason."""
    row, options = inputs.row, inputs.options
    several = {code for code in _codes(options) if _codes(options).count(code) > 1}
    closed: dict[str, list[Choice]] = {}
    for other in options.currencies:
        if other.reason is not None:
            closed.setdefault(other.reason, []).append(_currency_choice(other, several))
    currencies = (_currency_choice(other, several) for other in options.currencies if other.is_active)
    return OfferShown(
        currency=row.code,
        country=row.country,
        currency_value=f"{row.code}-{row.country}",
        decimals=row.decimals,
        currencies=tuple(sorted(currencies, key=lambda choice: choice.words)),
        closed_currencies=tuple(ClosedChoices(reason, tuple(rows)) for reason, rows in closed.items()),
        closed=row.reason or ("" if options.assets else _("Nothing can be bought at the moment.")),
        limits=limits_text(inputs.bounds, row.code),
        quick=tuple(
            QuickAmount(decimal_text(amount), fiat_text(amount, row.code)) for amount in inputs.quick
        ),
        allowances=_allowances(inputs.remaining, row.code),
        assets=_asset_choices(options.assets),
        networks=_network_choices([o.network for o in options.assets if o.asset == choices.asset]),
        methods=(
            *(_method_card(method, row.code, inputs.usual.get(method.code)) for method in options.methods),
            *(_closed_card(method) for method in options.closed_methods),
        ),
    )


def _codes(options: Options) -> list[str]:
    return [row.code for row in options.currencies]


def _currency_choice(row: CurrencyOption, several: set[str]) -> Choice:
    language = Locale.parse(current_language())
    name = language.currencies.get(row.code, row.name)
    if row.code in several:
        name = f"{name} ({language.territories.get(row.country, row.country)})"
    return Choice(f"{row.code}-{row.country}", f"{row.code} · {name}")


def _network_choices(networks: Sequence[str]) -> tuple[Choice, ...]:
    """Return the networks to choose from: none where there is only one."""
    return tuple(Choice(network, network_name(network)) for network in networks if len(networks) > 1)


def _asset_choices(options: Sequence[AssetOption]) -> tuple[Choice, ...]:
    names = dict.fromkeys(option.asset for option in options)
    return tuple(Choice(asset, f"{asset} · {asset_name(asset)}") for asset in names)


def _method_card(method: MethodOption, currency: str, minutes: int | None) -> MethodCard:
    return MethodCard(
        code=method.code,
        name=method_name(method.code),
        kind=_kind_text(method),
        limits=limits_text(AmountLimits(method.min, method.max), currency),
        time=usually_text(minutes),
        closed="",
    )


def _closed_card(method: MethodOption) -> MethodCard:
    return MethodCard(
        code=method.code,
        name=method_name(method.code),
        kind=_kind_text(method),
        limits="",
        time="",
        closed=_("Not offered by the payment provider at the moment"),
    )


def _kind_text(method: MethodOption) -> str:
    return _("Instant payment") if method.kind is PaymentKind.INSTANT else _("Bank transfer")


def _allowances(remaining: Remaining | None, currency: str) -> tuple[AllowanceLine, ...]:
    if remaining is None:
        return ()
    labels = {"day": _("Left today"), "month": _("Left this month")}
    return tuple(
        AllowanceLine(
            labels[one.period],
            _("{left} of {limit}").format(
                left=left_text(one.left, currency), limit=left_text(one.of, currency)
            ),
            int((one.of - one.left) * 100 / one.of) if one.of else 100,
        )
        for one in remaining.allowances
    )
