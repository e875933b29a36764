"""`/add-money`: the wizard in which a person begins a top-up."""

import reflex as rx

from onramp_app.web.add_money.amounts.form import amount_form
from onramp_app.web.add_money.check import check_form
from onramp_app.web.add_money.frame import (
    no_offer,
    skeleton,
    step_bars,
    summary,
    what_happens_next,
)
from onramp_app.web.add_money.hooks import AddressOf
from onramp_app.web.add_money.methods import pay_form
from onramp_app.web.add_money.open_page import blocked, open_question
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.parts.layout import private_page
from onramp_app.web.parts.shell.titles import FocusesTitle


def add_money() -> rx.Component:
    return private_page(
        AddressOf.create(search=WizardState.search, forward=WizardState.forward),
        FocusesTitle.create(
            part=rx.cond(
                (WizardState.shows == "form") & (WizardState.offer.currency != ""),
                "form-" + WizardState.step.to(str),  # type: ignore[attr-defined]  # a Var by now
                rx.cond((WizardState.shows == "form") & (WizardState.problem == ""), "", WizardState.shows),
            )
        ),
        rx.match(
            WizardState.shows,
            ("blocked", blocked()),
            ("open", open_question()),
            ("form", rx.cond(WizardState.offer.currency != "", _form(), _nothing_known())),
            skeleton(),
        ),
        here="/add-money",
        waiting=skeleton(),
    )


def _nothing_known() -> rx.Component:
    return rx.cond(WizardState.problem != "", no_offer(), skeleton())


def _form() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            step_bars(),
            rx.match(WizardState.step, ("pay", pay_form()), ("check", check_form()), amount_form()),
            class_name="grid w-full content-start gap-4",
        ),
        rx.cond(WizardState.step == "check", what_happens_next(), summary()),
        class_name="wizard",
    )
