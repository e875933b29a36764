"""`/`: what the wallet is, for whom, and how it works."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.web.parts.layout import public_page, sign_in_offer
from onramp_app.web.parts.places import path_of
from onramp_app.web.parts.steps import how_adding_money_works
from onramp_app.web.tabs.session import SessionState


def landing() -> rx.Component:
    return public_page(
        rx.el.div(
            _promise(),
            how_adding_money_works(),
            class_name="grid gap-10 pt-4 md:pt-14 lg:grid-cols-[1.15fr_1fr] lg:gap-16 lg:items-center",
        ),
        _assurances(),
        offer=sign_in_offer(),
    )


def _promise() -> rx.Component:
    return rx.el.div(
        rx.el.h1(_("Add money and watch it arrive."), class_name="display"),
        rx.el.p(
            _(
                "A wallet for people who earn in their own currency and want to hold digital dollars and "
                "other assets. You pay the way you always do. You see every step until it is in your balance."
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
        _what_is_simulated(),
        class_name="grid gap-5 justify-items-start",
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
            _("Each fee has its own line, and the rate is renewed while you look."),
        ),
        (
            _("Always an answer"),
            _("If something goes wrong: what happened, and were you charged."),
        ),
        (
            _("Every unit accounted for"),
            _("Each movement is written into books that nobody rewrites."),
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
        class_name="grid gap-8 mt-16 md:mt-24 md:grid-cols-3",
    )
