"""Whether the page can reach the server, as the browser's end of the socket knows, and what it then says."""

import reflex as rx
from reflex_base.vars import VarData

from onramp_app.texts import _
from onramp_app.web.parts.feedback import notice

WORKS_OFFLINE = {"data-works-offline": ""}
"""The attribute of a button that needs no server: it is not shut while the page is offline."""
NEEDS_SERVER = {"data-needs-server": ""}
"""The attribute of a button that needs the server although it opens or closes a popover too."""

# `waiting`, `live` or `lost`, and after it what is in doubt: `refused` for an action of the person that was
# not sent, `unsure` for one of which nobody knows whether it arrived.
_SHOWN = rx.Var(
    "connectionShown",
    _var_type=str,
    _var_data=VarData(
        imports={"$/utils/state": ["useConnection"]}, hooks={"const connectionShown = useConnection();": None}
    ),
).to(str)
is_offline = _SHOWN.startswith("lost")


def offline_notice() -> rx.Component:
    """Return the notice of a page that is offline, or was when the person did something."""
    return rx.fragment(
        rx.match(
            _SHOWN,
            ("lost", _offline()),
            ("lost refused", _offline(_("That wasn't sent. Try again once you're back online."))),
            ("lost unsure", _offline(_("Your last action may not have gone through."))),
            (
                "live refused",
                _afterwards(_("You were offline, so your last action wasn't sent. Try it again.")),
            ),
            (
                "live unsure",
                _afterwards(
                    _(
                        "The connection was lost during your last action. Check whether it went through"
                        " before you repeat it."
                    )
                ),
            ),
            rx.fragment(),
        ),
        # Buttons that are shut refer to it.
        rx.el.span(_("Not available while you're offline."), id="offline-words", hidden=True),
    )


def _offline(*more: str) -> rx.Component:
    words = _("You're offline. Figures may be out of date. Reconnecting…")
    return rx.el.div(
        notice(*([words, " ", *more] if more else [words]), kind="now"), class_name="wrap pb-4 offline-note"
    )


def _afterwards(words: str) -> rx.Component:
    return rx.el.div(notice(words, kind="now"), class_name="wrap pb-4")
