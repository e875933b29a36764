"""A card with the steps that lie ahead, joined by a line."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import _


def how_adding_money_works() -> rx.Component:
    """Return the three steps of adding money, for people who have not done it yet."""
    return steps_to_come(
        _("How adding money works"),
        (_("Choose an amount"), _("You see the rate, every fee and what you receive before you pay.")),
        (
            _("Pay your way"),
            _("By bank transfer or instant payment, on {provider}'s own page.").format(
                provider=get_settings().provider_name
            ),
        ),
        (_("Watch it arrive"), _("Track each step, even if you close this page.")),
    )


def steps_to_come(heading: str, *steps: tuple[str, str]) -> rx.Component:
    """Return a card with steps (title, text); the first one is marked as the current step."""
    return rx.el.section(
        rx.el.h2(heading, class_name="heading mb-6", id="steps"),
        rx.el.ol(
            *[
                _step(title, text, state="now" if number == 0 else "next")
                for number, (title, text) in enumerate(steps)
            ],
            class_name="steps",
        ),
        aria_labelledby="steps",
        class_name="card",
    )


def _step(title: str, text: str, *, state: str) -> rx.Component:
    return rx.el.li(
        rx.el.span(class_name="step-dot", aria_hidden="true"),
        rx.el.div(rx.el.h3(title, class_name="font-semibold"), rx.el.p(text, class_name="soft small mt-0.5")),
        class_name=state,
    )
