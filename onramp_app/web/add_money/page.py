"""`/add-money`: the wizard by which a top-up is begun."""

import reflex as rx

from onramp_app.web.add_money.frame import (
    no_offer,
    provider_trouble,
    skeleton,
    step_bars,
    summary,
    what_happens_next,
)
from onramp_app.web.add_money.hooks import AddressOf
from onramp_app.web.add_money.open_page import blocked, open_question
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.add_money.steps import amount_form, check_form, pay_form
from onramp_app.web.parts.layout import private_page


def add_money() -> rx.Component:
    return private_page(
        AddressOf.create(search=WizardState.search, forward=WizardState.forward),
        rx.match(
            WizardState.shows,
            ("blocked", blocked()),
            ("open", open_question()),
            ("form", rx.cond(WizardState.offer.currency != "", _form(), _nothing_known())),
            skeleton(),
        ),
        here="/add-money",
    )


def _nothing_known() -> rx.Component:
    return rx.cond(WizardState.problem != "", no_offer(), skeleton())


def _form() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            step_bars(),
            provider_trouble(),
            rx.match(WizardState.step, ("pay", pay_form()), ("check", check_form()), amount_form()),
            class_name="grid w-full content-start gap-4",
        ),
        rx.cond(WizardState.step == "check", what_happens_next(), summary()),
        class_name="wizard",
    )
