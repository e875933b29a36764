"""The page for addresses at which there is no page."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.layout import public_page
from onramp_app.web.parts.places import path_of


def not_found() -> rx.Component:
    return public_page(
        rx.el.div(
            rx.el.h1(_("Page not found"), class_name="title"),
            rx.el.p(
                _("The address may be mistyped, or the page has moved. Your money is where it was."),
                class_name="lead max-w-[34em]",
            ),
            rx.el.a(_("Go to the home page"), href=path_of("/"), class_name="button button-main mt-3"),
            class_name="grid gap-3 justify-items-start pt-4 md:pt-14",
        ),
    )
