"""All that is held about the person, and closing the account, on `/profile`."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.places import api_action, file_link, link
from onramp_app.web.profile.own_data_state import OwnDataState
from onramp_app.web.profile.state import ProfileState


def own_data() -> rx.Component:
    """Return the card from which everything that is held about the person is fetched."""
    return rx.el.section(
        rx.el.h2(_("Your data"), class_name="heading", id="own-data"),
        rx.el.p(
            _("Everything we hold about you, as one file that programs can read (JSON)."),
            " ",
            _("Passwords and codes aren't in it."),
            class_name="soft small mt-1 mb-5",
        ),
        rx.cond(
            OwnDataState.is_ready,
            rx.el.div(
                notice(_("Your file is ready."), kind="good"),
                file_link(
                    _("Save my-data.json"),
                    address=api_action("/api/auth/me/export"),
                    name="my-data.json",
                    class_name="button button-quiet",
                ),
                class_name="grid justify-items-start gap-4",
            ),
            rx.el.button(
                _("Download my data"),
                type="button",
                on_click=OwnDataState.prepare,
                class_name="button button-quiet",
            ),
        ),
        aria_labelledby="own-data",
        class_name="card",
    )


def closing() -> rx.Component:
    """Return the card that says what closing means and what it waits for, and closes the account."""
    return rx.el.section(
        rx.el.h2(_("Close account"), class_name="heading", id="close-account"),
        rx.el.p(
            _("This is permanent. Even we can't undo it."),
            class_name="soft small mt-1 mb-5",
        ),
        rx.cond(
            OwnDataState.problem != "",
            rx.el.div(notice(OwnDataState.problem, kind="bad"), class_name="mb-5"),
        ),
        rx.cond(
            ProfileState.is_operator,
            rx.el.p(_("An operator's account can be closed once an admin has taken the role away.")),
            rx.cond(
                OwnDataState.left.length() > 0,  # type: ignore[attr-defined]
                _what_is_left(),
                rx.cond(OwnDataState.is_asked, _really(), _ask()),
            ),
        ),
        aria_labelledby="close-account",
        class_name="card",
    )


def _what_is_left() -> rx.Component:
    return rx.el.div(
        rx.el.p(_("You can close your account once it's empty and every payment has ended.")),
        rx.el.ul(
            rx.foreach(OwnDataState.left, lambda words: rx.el.li(words, class_name="font-semibold")),
            class_name="list-disc ps-5 mt-3 grid gap-1",
        ),
        rx.el.p(
            link(_("Go to Activity"), to="/activity", class_name="link"),
            class_name="mt-4",
        ),
        role="status",
    )


def _ask() -> rx.Component:
    return rx.el.button(
        _("Close account"), type="button", on_click=OwnDataState.ask, class_name="button button-quiet"
    )


def _really() -> rx.Component:
    return rx.el.div(
        rx.el.h3(_("Close your account for good?"), class_name="font-semibold"),
        rx.el.ul(
            *[
                rx.el.li(words)
                for words in (
                    _("We remove your name, email address, devices, and everything you sign in with."),
                    _("Every device is signed out, and this address can be used for a new account."),
                    _("The records of your payments stay in our books, without your name."),
                    _("If a payment arrives later, we hold it and return it."),
                )
            ],
            class_name="list-disc ps-5 mt-3 grid gap-1",
        ),
        rx.el.p(
            _("You'll get one last email. Want to keep your records? Download your data first."),
            class_name="mt-3",
        ),
        rx.el.div(
            rx.el.button(
                _("Close my account for good"),
                type="button",
                on_click=OwnDataState.close,
                class_name="button button-quiet text-(--bad)",
            ),
            rx.el.button(
                _("Keep my account"),
                type="button",
                on_click=OwnDataState.keep,
                auto_focus=True,
                class_name="button button-quiet",
            ),
            class_name="flex flex-wrap gap-3 mt-5",
        ),
        role="group",
        aria_label=_("Close your account for good?"),
    )
