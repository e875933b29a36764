"""Whom to ask about the top-up that the page shows."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.support import contact
from onramp_app.web.top_up.state import TopUpPageState


def ask_about_it() -> rx.Component:
    """Return whom to write to, with the reference filled in."""
    page = TopUpPageState.page
    return contact(page.mail_address, page.reference, provider_order=page.provider_order)


def folded_help() -> rx.Component:
    """Return whom to write to, folded away below one line because most people need no help."""
    return rx.el.details(
        rx.el.summary(_("Something wrong?"), class_name="link small"), ask_about_it(), class_name="help"
    )
