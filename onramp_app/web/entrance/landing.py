"""`/`: what the wallet is, for whom, and how it works."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.web.entrance.example import example
from onramp_app.web.entrance.landing_state import LandingState
from onramp_app.web.parts.layout import public_page, sign_in_offer
from onramp_app.web.parts.places import path_of
from onramp_app.web.parts.shell.footer import help_links
from onramp_app.web.parts.steps import how_adding_money_works
from onramp_app.web.parts.times import time_of
from onramp_app.web.tabs.session import SessionState


def landing() -> rx.Component:
    return public_page(
        rx.el.div(
            _promise(),
            example(),
            class_name="grid gap-10 pt-4 md:pt-10 lg:grid-cols-[1.15fr_1fr] lg:gap-16 lg:items-center",
        ),
        rx.el.div(
            how_adding_money_works(),
            _assurances(),
            class_name="grid gap-10 mt-16 lg:grid-cols-2 lg:gap-16 lg:items-center",
        ),
        _who_is_behind_it(),
        offer=sign_in_offer(),
    )


def _promise() -> rx.Component:
    return rx.el.div(
        rx.el.h1(_("Add money and watch it arrive."), class_name="display"),
        rx.el.p(
            _(
                "A wallet for people who earn in their own currency and want to hold digital dollars and "
                "other assets. Pay the way you usually do, and see every step until it's in your balance."
            ),
            class_name="lead max-w-[34em]",
        ),
        rx.el.div(
            rx.cond(
                SessionState.is_signed_in,
                rx.el.a(_("Go to your wallet"), href=path_of("/home"), class_name="button button-main"),
                rx.el.a(_("Create an account"), href=path_of("/register"), class_name="button button-main"),
            ),
            class_name="flex flex-wrap gap-3 pt-2",
        ),
        _rate_of_the_day(),
        _what_is_simulated(),
        class_name="grid gap-5 justify-items-start",
    )


def _rate_of_the_day() -> rx.Component:
    # The place is kept also while nothing is known, so that nothing below it moves.
    return rx.el.p(
        rx.cond(
            LandingState.rate != "",
            rx.fragment(
                rx.el.span(_("Latest rate:"), class_name="soft"),
                " ",
                rx.el.strong(LandingState.rate, class_name="font-semibold"),
                " · ",
                time_of(LandingState.rate_as_of, class_name="soft"),
            ),
        ),
        class_name="small min-h-[21px]",
    )


def _what_is_simulated() -> rx.Component:
    if get_settings().is_production:
        return rx.fragment()
    return rx.el.p(
        _(
            "This copy runs on simulated money: payments, rates and assets are made up, so you can try "
            "everything and lose nothing."
        ),
        class_name="soft small max-w-[40em] border-l-2 border-(--apricot) pl-4 mt-2",
    )


def _assurances() -> rx.Component:
    items = (
        (
            _("No surprise fees"),
            _("Every fee is itemised and the rate stays current."),
        ),
        (
            _("Always an answer"),
            _("If something goes wrong, we tell you what happened and whether you were charged."),
        ),
        (
            _("Every unit accounted for"),
            _("Every transaction is recorded permanently."),
        ),
    )
    return rx.el.section(
        rx.el.h2(_("What you can rely on"), class_name="sr-only"),
        *[
            rx.el.div(
                rx.el.h3(title, class_name="font-semibold"),
                rx.el.p(text, class_name="soft small mt-1"),
                class_name="border-t border-(--line) pt-5",
            )
            for title, text in items
        ],
        class_name="grid gap-6",
    )


def _who_is_behind_it() -> rx.Component:
    settings = get_settings()
    return rx.el.section(
        rx.el.h2(_("Who is behind it"), class_name="heading", id="behind"),
        rx.el.p(
            _(
                "{app} is the operator: it holds your balance on your behalf, in a ledger that can't be"
                " rewritten. {provider} takes your payment and buys for you, on its own pages."
            ).format(app=settings.app_name, provider=settings.provider_name),
            class_name="soft mt-2 max-w-[46em]",
        ),
        rx.el.p(*help_links(class_name="link"), class_name="flex flex-wrap gap-x-6 gap-y-2 mt-4"),
        aria_labelledby="behind",
        class_name="mt-16 border-t border-(--line) pt-8",
    )
