"""The shell of every page: banner, header, navigation, menu, footer, and the frame of the content."""

import reflex as rx
from reflex_components_core.base.error_boundary import error_boundary  # type: ignore[import-untyped]

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.live_sign import live_sign
from onramp_app.web.parts.places import api_action, link, path_of
from onramp_app.web.parts.shell.footer import footer, help_links
from onramp_app.web.parts.shell.notes import notes
from onramp_app.web.parts.shell.skeletons import form_skeleton
from onramp_app.web.parts.shell.theme import bar_colour, theme_switch
from onramp_app.web.parts.signs import mark
from onramp_app.web.tabs.confirmation import ConfirmationState
from onramp_app.web.tabs.session import SessionState


def _banner() -> rx.Component:
    if get_settings().is_production:
        return rx.fragment()
    return rx.el.p(
        _("Simulated money. Nothing here is real."),
        class_name="bg-(--apricot-wash) px-4 py-1.5 text-center text-[13px]",
    )


def _brand(to: str) -> rx.Component:
    return link(
        mark(),
        rx.el.span(get_settings().app_name, class_name="text-[18px] font-semibold tracking-[-0.01em]"),
        to=to,
        class_name="inline-flex min-h-11 items-center gap-2.5",
    )


def _own_menu() -> rx.Component:
    person = SessionState.person
    # A native popover: it closes on Escape and on a click elsewhere, without a script.
    return rx.el.div(
        rx.el.button(
            rx.el.span(person.initials, aria_hidden="true"),
            rx.el.span(_("Your menu"), class_name="sr-only"),
            type="button",
            custom_attrs={"popoverTarget": "own-menu"},
            class_name="avatar",
        ),
        rx.el.div(
            rx.el.div(
                rx.el.p(person.display_name, class_name="font-semibold truncate empty:hidden"),
                rx.el.p(person.email, class_name="soft small truncate"),
                class_name="px-3 pt-1 pb-3 border-b border-(--line) mb-2",
            ),
            link(_("Profile"), to="/profile", class_name="menu-item"),
            *help_links(class_name="menu-item"),
            rx.el.div(theme_switch(), class_name="px-1 py-2"),
            rx.el.form(
                rx.el.button(_("Sign out"), type="submit", class_name="menu-item"),
                action=api_action("/api/auth/session/end"),
                method="post",
                on_submit=None,
            ),
            id="own-menu",
            custom_attrs={"popover": "auto"},
            class_name="menu-panel",
        ),
    )


def _current(is_here: bool) -> dict[str, str]:  # noqa: FBT001  # a fact, named where it is computed
    return {"aria_current": "page"} if is_here else {}


def _signed_in_header(here: str) -> rx.Component:
    return rx.el.header(
        _banner(),
        rx.el.div(
            _brand("/home"),
            rx.el.nav(
                link(_("Home"), to="/home", class_name="place", **_current(here == "/home")),
                link(_("Activity"), to="/activity", class_name="place", **_current(here == "/activity")),
                link(_("Verify"), to="/verify", class_name="place", **_current(here == "/verify")),
                aria_label=_("Places"),
                class_name="hidden md:flex gap-6 ml-2",
            ),
            rx.el.div(
                live_sign(),
                rx.cond(SessionState.is_signed_in, _own_menu(), rx.el.span(class_name="avatar")),
                class_name="ml-auto flex items-center gap-4",
            ),
            class_name="wrap flex items-center gap-4 h-[72px]",
        ),
    )


def _bottom_bar(here: str) -> rx.Component:
    return rx.el.nav(
        link(_("Home"), to="/home", **_current(here == "/home")),
        link(rx.el.span(_("Add money"), class_name="button button-main"), to="/add-money"),
        link(_("Activity"), to="/activity", **_current(here == "/activity")),
        link(_("Verify"), to="/verify", **_current(here == "/verify")),
        aria_label=_("Places"),
        class_name="bottom-bar",
    )


def _signed_out_header(*, offer: rx.Component | None) -> rx.Component:
    return rx.el.header(
        _banner(),
        rx.el.div(
            _brand("/"),
            rx.el.div(*([offer] if offer else []), class_name="ml-auto"),
            class_name="wrap flex items-center gap-4 h-[72px]",
        ),
    )


def _unconfirmed() -> rx.Component:
    """Say that the address has to be confirmed before money is added, and offer the link again."""
    return rx.cond(
        SessionState.person.must_confirm_email,
        rx.el.div(
            notice(
                rx.cond(
                    ConfirmationState.is_sent,
                    _("We've sent the link again. Open the email to confirm your address."),
                    rx.fragment(
                        _("Confirm your email address to add money: open the link in the email we sent you."),
                        " ",
                        rx.el.button(
                            _("Send it again"),
                            type="button",
                            on_click=ConfirmationState.send_again,
                            class_name="link",
                        ),
                    ),
                ),
                rx.cond(ConfirmationState.problem != "", rx.fragment(" ", ConfirmationState.problem)),
                kind="now",
            ),
            class_name="pb-4",
        ),
    )


def _frame(*children: rx.Component) -> rx.Component:
    return rx.el.div(
        bar_colour(),
        rx.el.a(_("Skip to content"), href="#content", class_name="skip-link button button-main"),
        *children,
        class_name="flex min-h-dvh flex-col",
    )


def public_page(
    *content: rx.Component, offer: rx.Component | None = None, fills_up: bool = False
) -> rx.Component:
    """Return the frame of a page that anyone may see.

    Args:
        content: of the page.
        offer: what stands at the end of the header.
        fills_up: whether the content grows after the page is there.
    """
    place = "wrap below-fold" if fills_up else "wrap"
    return _frame(
        _signed_out_header(offer=offer),
        notes(is_private=False),
        rx.el.main(*content, id="content", tab_index=-1, class_name=f"{place} pt-4 pb-16 outline-none"),
        footer(has_theme=True),
    )


def plain_page(*content: rx.Component) -> rx.Component:
    """Return the frame of a page that leads nowhere else: what it is for is done on it.

    Its parts say themselves what is away, as those of a private page do.
    """
    return _frame(
        rx.el.header(
            _banner(),
            rx.el.div(
                rx.el.span(
                    mark(),
                    rx.el.span(
                        get_settings().app_name, class_name="text-[18px] font-semibold tracking-[-0.01em]"
                    ),
                    class_name="inline-flex min-h-11 items-center gap-2.5",
                ),
                class_name="wrap flex items-center gap-4 h-[72px]",
            ),
        ),
        notes(is_private=True),
        rx.el.main(
            *content, id="content", tab_index=-1, class_name="wrap below-fold pt-4 pb-16 outline-none"
        ),
        footer(has_theme=True),
    )


def private_page(*content: rx.Component, here: str, waiting: rx.Component | None = None) -> rx.Component:
    """Return the frame of a page for a signed-in person. The content exists only while somebody is signed in.

    Until that is known, `waiting` stands in its place: empty places of the shape of the content.

    On the pages for adding money, phones show no bottom bar: nothing else should ask for attention there.
    """
    has_bar = not here.startswith("/add-money")
    return _frame(
        _signed_in_header(here),
        notes(is_private=True),
        rx.el.main(
            # With keys, because what one of them leaves in place for the other would be seen to move.
            rx.cond(
                SessionState.is_signed_in,
                rx.fragment(_unconfirmed(), *content, key="content"),
                rx.fragment(waiting or form_skeleton(), key="waiting"),
            ),
            id="content",
            tab_index=-1,
            class_name="wrap below-fold pt-4 pb-16 outline-none",
        ),
        footer(has_theme=False, has_bar=has_bar),
        *([_bottom_bar(here)] if has_bar else []),
    )


def sign_in_offer() -> rx.Component:
    """Return the sign-in button of the public header, for people who are not signed in."""
    return rx.cond(
        SessionState.is_signed_in,
        rx.fragment(),
        rx.el.a(_("Sign in"), href=path_of("/login"), class_name="button button-quiet button-slim"),
    )


def failure_boundary(_stateful: bool) -> rx.Component:  # noqa: FBT001  # Reflex calls it with one flag
    """Return what stands in place of a page that could not be drawn."""
    return error_boundary(
        fallback_render=rx.el.main(
            rx.el.h1(_("This page couldn't be shown"), class_name="title"),
            rx.el.p(_("Your money isn't affected. Load the page again."), class_name="lead mt-2"),
            rx.el.a(_("Load again"), href="", class_name="button button-main mt-6"),
            class_name="wrap py-16",
        )
    )
