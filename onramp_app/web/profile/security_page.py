"""Where the person is signed in, and what happened to the account, on `/profile`."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.feedback import filled
from onramp_app.web.parts.times import time_of
from onramp_app.web.profile.shapes import SecurityLine, SessionLine
from onramp_app.web.profile.state import ProfileState


def devices() -> rx.Component:
    """Return the list of all sessions, each of which can be ended, and the ways to end many."""
    return rx.el.section(
        rx.el.h2(_("Where you're signed in"), class_name="heading", id="sessions"),
        rx.el.p(
            _("Don't recognise a device? Sign it out and change your password."),
            " ",
            _("We don't look up where a network address is, so you see no city or country."),
            class_name="soft small mt-1 mb-5",
        ),
        rx.el.ul(rx.foreach(ProfileState.session_lines, _device), class_name="rows"),
        rx.el.div(
            rx.cond(
                ProfileState.session_lines.length() > 1,  # type: ignore[attr-defined]
                rx.el.button(
                    _("Sign out all other devices"),
                    type="button",
                    on_click=ProfileState.end_other_sessions,
                    class_name="button button-quiet button-slim",
                ),
            ),
            rx.el.button(
                _("Sign out everywhere, including here"),
                type="button",
                on_click=ProfileState.end_all_sessions,
                class_name="button button-quiet button-slim",
            ),
            class_name="flex flex-wrap gap-3 mt-5",
        ),
        aria_labelledby="sessions",
        class_name="card",
    )


def _device(line: SessionLine) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.p(line.device, class_name="font-semibold break-words"),
            rx.cond(line.place != "", rx.el.p(line.place, class_name="soft small mt-0.5 break-words")),
            rx.el.p(
                filled(_("Last used {time}"), time=time_of(line.used_at, is_inside=True)),
                " · ",
                filled(_("signed in {time}"), time=time_of(line.begun_at, is_inside=True)),
                class_name="soft small mt-0.5",
            ),
            class_name="min-w-0",
        ),
        rx.cond(
            line.is_current,
            rx.el.span(_("This device"), class_name="tag flex-none"),
            rx.el.button(
                _("Sign out"),
                rx.el.span(" ", line.device, class_name="sr-only"),
                type="button",
                on_click=ProfileState.end_session(line.session_id),  # type: ignore[operator]
                class_name="button button-quiet button-slim flex-none",
            ),
        ),
        key=line.session_id,
        class_name="flex items-center justify-between gap-4",
    )


def activity() -> rx.Component:
    """Return what happened to the account, newest first, a page at a time."""
    return rx.el.section(
        rx.el.h2(_("Security activity"), class_name="heading", id="security"),
        rx.el.p(
            _("If something here wasn't you, change your password. This signs out all other devices."),
            class_name="soft small mt-1 mb-5",
        ),
        rx.el.ol(rx.foreach(ProfileState.security_lines, _event), class_name="rows"),
        rx.el.div(
            rx.cond(
                ProfileState.has_older_events,
                rx.el.button(
                    _("Show older"),
                    type="button",
                    on_click=ProfileState.show_older_events,
                    class_name="button button-quiet button-slim",
                ),
            ),
            rx.cond(
                ProfileState.is_later_part,
                rx.el.button(
                    _("Back to the newest"),
                    type="button",
                    on_click=ProfileState.show_newest_events,
                    class_name="button button-quiet button-slim",
                ),
            ),
            class_name="flex flex-wrap gap-3 mt-5 empty:hidden",
        ),
        aria_labelledby="security",
        class_name="card",
    )


def _event(line: SecurityLine) -> rx.Component:
    return rx.el.li(
        rx.el.p(line.what, class_name="font-semibold"),
        rx.cond(line.where != "", rx.el.p(line.where, class_name="soft small mt-0.5 break-words")),
        rx.el.p(time_of(line.at), class_name="soft small mt-0.5"),
    )
