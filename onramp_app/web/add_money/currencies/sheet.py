"""The sheet of currencies: first those that can be used, then the others, greyed out, with the reason."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.add_money.currencies.search_sheet import opens, search_sheet, sheet_group, sheet_option
from onramp_app.web.add_money.shapes import ClosedCurrencies, CurrencyChoice
from onramp_app.web.add_money.state import WizardState

_ID = "currencies"


def currency_button() -> rx.Component:
    """Return the pill with the chosen currency, which opens the sheet."""
    offer = WizardState.offer
    return rx.el.button(
        _flag(offer.country.lower()),
        rx.el.span(_("Currency:"), " ", class_name="sr-only"),
        offer.currency,
        class_name="pill",
        **opens(_ID),
    )


def currency_sheet() -> rx.Component:
    """Return the sheet of all currencies."""
    offer = WizardState.offer
    return search_sheet(
        rx.foreach(offer.currencies, _usable),
        rx.foreach(offer.closed_currencies, _closed_group),
        sheet_id=_ID,
        title=_("Pay with another currency"),
        search_words=_("Search by currency or country"),
        none_words=_("No results"),
    )


def _usable(choice: CurrencyChoice) -> rx.Component:
    return sheet_option(
        *_content(choice),
        option_id="currency-" + choice.value,
        search=choice.search,
        is_chosen=WizardState.offer.currency_value == choice.value,
        is_closed=False,
        key=choice.value,
        on_click=WizardState.choose_currency(choice.value),  # type: ignore[operator]
    )


def _closed_group(group: ClosedCurrencies) -> rx.Component:
    return sheet_group(group.reason, rx.foreach(group.choices, _closed))


def _closed(choice: CurrencyChoice) -> rx.Component:
    return sheet_option(
        *_content(choice),
        option_id="currency-" + choice.value,
        search=choice.search,
        is_chosen=WizardState.offer.currency_value == choice.value,
        is_closed=True,
        key=choice.value,
    )


def _content(choice: CurrencyChoice) -> tuple[rx.Component, ...]:
    return (
        _flag(choice.flag),
        rx.el.span(choice.code, class_name="w-10 flex-none font-semibold"),
        rx.el.span(choice.name, class_name="min-w-0"),
    )


def _flag(country: rx.Var[str] | str) -> rx.Component:
    # Fetched once it is seen, so that the sheet's flags are loaded only when somebody opens it.
    return rx.el.img(
        src=f"/flags/{country}.svg", alt="", loading="lazy", width="24", height="16", class_name="flag"
    )
