"""The foot of every page: who runs the wallet, who takes payments, and where people get help."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.mail.support import mail_to_support
from onramp_app.texts import _
from onramp_app.web.parts.places import link
from onramp_app.web.parts.shell.theme import theme_switch


def footer(*, has_theme: bool, has_bar: bool = False) -> rx.Component:
    """Return the foot of a page.

    Args:
        has_theme: whether it offers the choice of the theme, which signed-in people have in their menu.
        has_bar: whether the bar of places covers the end of the page on a phone.
    """
    return rx.el.footer(
        rx.el.div(
            rx.el.div(
                rx.el.nav(
                    *help_links(class_name="place small"),
                    aria_label=_("Help and terms"),
                    class_name="flex flex-wrap gap-x-6",
                ),
                *([rx.el.div(theme_switch(), class_name="md:ml-auto")] if has_theme else []),
                class_name="flex flex-wrap items-center gap-x-6 gap-y-3",
            ),
            rx.el.p(who_runs_it(), class_name="soft small max-w-[60em]"),
            class_name="wrap grid gap-2 py-6",
        ),
        class_name=f"border-t border-(--line){' above-bar' if has_bar else ' foot-in-sight mt-auto'}",
    )


def who_runs_it() -> str:
    """Return who holds the money and who takes the payments, in two sentences."""
    settings = get_settings()
    return _("{app} holds your balance on your behalf. Payments go through {provider}.").format(
        app=settings.app_name, provider=settings.provider_name
    )


def help_links(*, class_name: str) -> list[rx.Component]:
    """Return the links to help, to a person, and to the operator's terms, as far as there are any."""
    settings = get_settings()
    support = mail_to_support(_("Question about {app}").format(app=settings.app_name))
    elsewhere = (
        (_("Support"), support),
        (_("Terms"), settings.terms_url),
        (_("Privacy"), settings.privacy_url),
    )
    return [
        link(_("Help"), to="/help", class_name=class_name),
        *[
            rx.el.a(words, href=str(address), rel="noopener", class_name=class_name)
            for words, address in elsewhere
            if address
        ],
    ]
