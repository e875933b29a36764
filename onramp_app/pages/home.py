"""`/home`: where a signed-in person arrives."""

import reflex as rx

from onramp_app.components.layout import private_page
from onramp_app.components.mark import mark
from onramp_app.components.places import link
from onramp_app.components.steps import how_adding_money_works
from onramp_app.texts import _


def home() -> rx.Component:
    return private_page(
        rx.el.h1(_("Home"), class_name="sr-only"),
        rx.el.div(_first_run(), how_adding_money_works(), class_name="grid gap-6 lg:grid-cols-[1.5fr_1fr]"),
        here="/home",
    )


def _first_run() -> rx.Component:
    return rx.el.section(
        mark(72),
        rx.el.div(
            rx.el.h2(_("Your account is ready"), class_name="title"),
            rx.el.p(
                _("Your wallet is open. Adding money is not offered on these pages yet."),
                class_name="lead max-w-[32em] mt-2",
            ),
        ),
        link(_("Check your profile"), to="/profile", class_name="button button-main"),
        class_name="card grid content-start justify-items-start gap-6",
    )
