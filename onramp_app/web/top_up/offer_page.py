"""A top-up that awaits its payment: the provider's payment page, what to know meanwhile, and a way out."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.web.parts.feedback import filled
from onramp_app.web.parts.places import link
from onramp_app.web.parts.qr_code import qr_picture
from onramp_app.web.parts.shell.connection import needs_server
from onramp_app.web.parts.shell.titles import title
from onramp_app.web.tabs.session import SessionState
from onramp_app.web.top_up.check_now import asked_line, check_now
from onramp_app.web.top_up.help import folded_help
from onramp_app.web.top_up.state import TopUpPageState
from onramp_app.web.top_up.widget import widget_frame

_page = TopUpPageState.page
_DIALOG = "cancel-top-up"


def offered() -> rx.Component:
    """Return the provider's payment page in a frame, with guidance beside it."""
    return rx.el.div(
        rx.el.section(
            rx.el.div(
                rx.el.div(
                    title(_page.title),
                    rx.cond(
                        _page.expected != "",
                        rx.el.p(
                            filled(_("You receive about {amount}"), amount=rx.el.strong(_page.expected)),
                            class_name="soft mt-1",
                        ),
                    ),
                ),
                rx.el.a(
                    _("Open in a new tab"),
                    href=_page.widget_url,
                    target="_blank",
                    rel="noopener",
                    class_name="button button-quiet button-slim",
                ),
                class_name="flex flex-wrap items-end justify-between gap-x-6 gap-y-4",
            ),
            widget_frame(
                _page.widget_frame_url,
                _page.widget_origin,
                tab_url=_page.widget_url,
                is_broken=TopUpPageState.is_widget_broken,
                on_message=TopUpPageState.widget_said,
            ),
            class_name="min-w-0",
        ),
        rx.el.aside(
            _while_you_pay(),
            rx.cond(_page.code != "", _on_the_phone()),
            _cancel(),
            folded_help(),
            class_name="grid content-start gap-6",
        ),
        class_name="grid gap-6 lg:grid-cols-[minmax(0,1fr)_320px] lg:gap-8",
    )


def _while_you_pay() -> rx.Component:
    lines = (
        _("You pay on {provider}'s own page. We never see your bank or card details.").format(
            provider=get_settings().provider_name
        ),
        _("We'll detect your payment automatically. You can close this page once you've paid."),
        _("Your balance changes as soon as it has arrived."),
    )
    return rx.el.section(
        rx.el.h2(_("While you pay"), class_name="heading", id="while"),
        rx.el.ul(*[rx.el.li(line) for line in lines], class_name="plain-list mt-3"),
        rx.cond(_page.usual != "", rx.el.p(_page.usual, class_name="soft small mt-3")),
        rx.el.div(
            rx.el.span(_("Paid already?"), class_name="soft small"),
            check_now(),
            class_name="flex flex-wrap items-center gap-x-3 gap-y-1 mt-4",
        ),
        asked_line(),
        aria_labelledby="while",
    )


def _on_the_phone() -> rx.Component:
    words = (
        _("While this runs on your own computer, only that computer can open the address.")
        if get_settings().is_on_this_machine
        else _("Scan it and sign in to continue here.")
    )
    return rx.el.section(
        rx.el.h2(_("Continue on your phone"), class_name="heading", id="phone"),
        rx.el.p(words, class_name="soft small mt-1"),
        qr_picture(_page.code, _page.code_size, title=_("QR code of this page's address")),
        aria_labelledby="phone",
        class_name="hidden md:block",
    )


def _cancel() -> rx.Component:
    # A native dialog opens without a script, closes on Escape, and keeps the rest of the page behind it.
    return rx.el.div(
        rx.el.button(
            _("Cancel this top-up"),
            type="button",
            custom_attrs={"popoverTarget": _DIALOG},
            class_name="link small min-h-11",
        ),
        rx.cond(
            SessionState.is_narrow,
            rx.fragment(),
            link(_("Back to home"), to="/home", class_name="link small inline-flex items-center min-h-11"),
        ),
        rx.el.dialog(
            rx.el.h2(_("Cancel this top-up?"), class_name="heading", id=f"{_DIALOG}-title"),
            rx.el.p(
                _("The offer ends. If you've already paid, we'll still add it."),
                class_name="soft mt-2",
            ),
            rx.el.div(
                rx.el.button(
                    _("Keep it"),
                    type="button",
                    auto_focus=True,
                    custom_attrs={"popoverTarget": _DIALOG, "popoverTargetAction": "hide"},
                    class_name="button button-quiet",
                ),
                rx.el.button(
                    _("Cancel top-up"),
                    type="button",
                    on_click=TopUpPageState.cancel.temporal,  # type: ignore[attr-defined]  # Reflex makes it a handler
                    custom_attrs={"popoverTarget": _DIALOG, "popoverTargetAction": "hide", **needs_server()},
                    class_name="button button-main",
                ),
                class_name="flex flex-wrap gap-3 mt-6",
            ),
            id=_DIALOG,
            custom_attrs={"popover": "auto"},
            aria_labelledby=f"{_DIALOG}-title",
            class_name="dialog",
        ),
        class_name="flex flex-wrap gap-x-6",
    )
