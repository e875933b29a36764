"""The second step of the wizard: the ways to pay, each with its time, fee and limit."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.pricing.methods import Rail
from onramp_app.texts import _
from onramp_app.web.add_money.frame import actions, heading, main_button, short_summary
from onramp_app.web.add_money.shapes import MethodCard
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.parts.signs import sign

_PHONE = "M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1z"
_WALLET = "M5 7.5h14a1 1 0 0 1 1 1V19a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1z"
# All drawn in one style: strokes of one width in a box of 24 by 24.
_SIGNS = {
    Rail.BANK_TRANSFER: ("M12 4 4 8.5h16z", "M6.5 12v4.5", "M12 12v4.5", "M17.5 12v4.5", "M4 20h16"),
    Rail.BANK_APP: (
        _PHONE,
        "M10 12l1.5 1.5 2.7-3",
    ),
    Rail.QR_CODE: ("M4 4h6v6H4z", "M14 4h6v6h-6z", "M4 14h6v6H4z", "M14 14h2.5v2.5", "M20 14v6h-5"),
    Rail.MOBILE_MONEY: (
        _PHONE,
        "M12 8a2.5 2.5 0 1 0 0 5a2.5 2.5 0 0 0 0-5z",
        "M12 17.5v.01",
    ),
    Rail.E_WALLET: (
        _WALLET,
        "M4 7.5 15 4v3.5",
        "M16 13.7v.01",
    ),
    Rail.OTHER: ("M3 6h18v12H3z", "M3 10h18", "M6.5 14.5h4"),
}


def pay_form() -> rx.Component:
    """Return the second step: the payment methods."""
    return rx.el.form(
        heading(
            _("How would you like to pay?"),
            _("You pay on {provider}'s own page.").format(provider=get_settings().provider_name),
        ),
        rx.el.fieldset(
            rx.el.legend(_("Payment method"), class_name="sr-only"),
            rx.foreach(WizardState.offer.methods, _method),
            class_name="grid gap-3",
        ),
        actions(short_summary(), button=main_button(_("Continue"))),
        on_submit=WizardState.go_on,
        class_name="wizard-step",
    )


def _method(card: MethodCard) -> rx.Component:
    is_closed = card.closed != ""
    return rx.el.label(
        rx.el.input(
            type="radio",
            name="method",
            value=card.code,
            checked=WizardState.method == card.code,
            disabled=is_closed,
            on_change=WizardState.choose_method,
            class_name="radio",
        ),
        _sign(card.rail),
        rx.el.span(
            rx.el.span(card.name, class_name="block font-semibold"),
            rx.cond(
                is_closed | (card.kind != ""),
                rx.el.span(rx.cond(is_closed, card.closed, card.kind), class_name="soft small block"),
            ),
            rx.cond(card.time != "", rx.el.span(card.time, class_name="soft small block")),
            rx.cond(card.limits != "", rx.el.span(card.limits, class_name="soft small block")),
            class_name="min-w-0 flex-1",
        ),
        rx.cond(
            is_closed,
            rx.fragment(),
            rx.el.span(
                rx.el.span(
                    rx.cond(WizardState.bill.all_fees != "", WizardState.bill.all_fees, "\N{EN DASH}"),
                    class_name=rx.cond(WizardState.is_old, "method-fee is-old", "method-fee"),
                ),
                rx.el.span(_("all fees"), class_name="soft tiny block"),
                class_name="text-end",
            ),
        ),
        key=card.code,
        class_name="choice",
    )


def _sign(rail: rx.Var[str] | str) -> rx.Component:
    drawn = {
        name: sign(*paths, width="24", height="24", class_name="flex-none text-(--petrol)")
        for name, paths in _SIGNS.items()
    }
    other = drawn.pop(Rail.OTHER)
    return rx.match(rail, *((str(name), picture) for name, picture in drawn.items()), other)
