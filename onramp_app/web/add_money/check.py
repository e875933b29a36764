"""The third step of the wizard: a review of everything, and the button that begins the top-up."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.web.add_money.frame import (
    actions,
    custody_text,
    fee_row,
    heading,
    main_button,
    row,
    verify_button,
)
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.parts.feedback import filled
from onramp_app.web.parts.places import step_link


def check_form() -> rx.Component:
    """Return the third step: a review of everything, and the button that begins the top-up."""
    bill = WizardState.bill
    return rx.el.form(
        heading(
            _("Check and pay"),
            _("Nothing is charged before you pay on {provider}'s page.").format(
                provider=get_settings().provider_name
            ),
        ),
        rx.el.div(
            rx.el.dl(
                rx.el.div(
                    rx.el.dt(_("You pay"), class_name="money-label"),
                    rx.el.dd(
                        bill.pay_head,
                        rx.el.span(bill.pay_decimals, class_name="money-tail"),
                        class_name="money",
                    ),
                ),
                rx.el.div(
                    rx.el.dt(_("You receive, about"), class_name="money-label"),
                    rx.el.dd(
                        bill.receive,
                        rx.el.span(
                            bill.receive_decimals,
                            "\N{NO-BREAK SPACE}",
                            WizardState.asset,
                            class_name="money-tail",
                        ),
                        title=bill.receive_exact,
                        class_name="money",
                    ),
                ),
                class_name=rx.cond(WizardState.is_old, "check-amounts is-old", "check-amounts"),
            ),
            rx.el.dl(
                rx.foreach(bill.fees, fee_row),
                row(filled(_("Network fee ({network})"), network=WizardState.network_name), bill.network_fee),
                row(_("Rate"), bill.rate),
                row(_("Pay with"), _changeable(WizardState.method_name, WizardState.pay_search)),
                rx.cond(WizardState.time != "", row(_("Arrives"), WizardState.time)),
                class_name=rx.cond(WizardState.is_old, "bill bill-old", "bill"),
            ),
            class_name="card grid gap-5",
        ),
        rx.el.div(
            # The height is reserved: only with the quote is it known whether there is a mid-market rate.
            rx.el.p(bill.cost, class_name="min-h-[21px]"),
            rx.el.p(custody_text()),
            class_name="soft small grid gap-1",
        ),
        actions(
            button=rx.cond(
                WizardState.verify_words != "",
                verify_button(),
                main_button(
                    filled(_("Pay {amount}"), amount=bill.pay),
                    (WizardState.is_beginning, _("Starting…")),
                    (WizardState.is_old | (bill.pay == ""), _("Waiting for the rate…")),
                ),
            )
        ),
        on_submit=WizardState.begin.temporal,  # type: ignore[attr-defined]  # Reflex makes it a handler
        class_name="wizard-step",
    )


def _changeable(words: rx.Var[str] | str, search: rx.Var[str] | str) -> rx.Component:
    return rx.fragment(
        words,
        " ",
        step_link(_("Change"), search=search, class_name="link small ms-2"),
    )
