"""What any page may have to say at any time: that it is offline, what is away, which action failed.

It lies over the page, because what is pushed down is lost from sight, or pressed by mistake. The steps of
adding money keep a place for it above their button instead (`web/add_money/frame.py`).
"""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.feedback import filled, notice
from onramp_app.web.parts.shell.connection import (
    connection_words,
    is_offline,
    says_of_connection,
    why_not_offline,
)
from onramp_app.web.parts.times import clock_of
from onramp_app.web.tabs.loads import Away
from onramp_app.web.tabs.session import SessionState

_is_away = ~is_offline & (SessionState.away != "")
has_note = (SessionState.notice != "") | says_of_connection | _is_away
"""Whether there is anything to say."""


def notes(*, is_private: bool) -> rx.Component:
    """Return all that there is to say, over the end of the page."""
    return rx.el.div(
        rx.cond(SessionState.notice != "", notice(SessionState.notice, kind="bad")),
        rx.cond(says_of_connection, notice(connection_words(), kind="now")),
        rx.cond(_is_away, notice(_away_words(), kind="now")) if is_private else None,
        why_not_offline(),
        class_name="wrap notes",
    )


def note_words() -> rx.Component:
    """Return the words alone, those that matter most where there are several."""
    return rx.cond(
        SessionState.notice != "",
        rx.fragment(SessionState.notice),
        rx.cond(says_of_connection, connection_words(), _away_words()),
    )


def _away_words() -> rx.Component:
    """Return what is away, how old the page therefore is, and that it reconnects without being reloaded."""
    return rx.fragment(
        rx.match(
            SessionState.away,
            (Away.DATABASE, _("We can't reach our database right now.")),
            (Away.UPDATES, _("Part of our service isn't answering right now.")),
            _("This page couldn't be updated."),
        ),
        " ",
        rx.cond(
            SessionState.is_signed_in,
            rx.fragment(
                _("Figures may be out of date."),
                rx.cond(
                    SessionState.current_until != "",
                    rx.fragment(
                        " ",
                        filled(_("Last updated {time}."), time=clock_of(SessionState.current_until)),
                    ),
                ),
            ),
            _("The page opens as soon as it can be read again."),
        ),
        " ",
        _("Reconnecting…"),
    )
