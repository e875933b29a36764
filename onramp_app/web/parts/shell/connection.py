"""Whether the page can reach the server, as the browser's end of the socket knows, and what it then says."""

import reflex as rx
from reflex_base.vars import VarData

from onramp_app.texts import _


def works_offline() -> dict[str, str]:
    """Return the attribute of a button that needs no server: it is not shut while the page is offline.

    A dictionary for each button: Reflex adds the other attributes of the button to it.
    """
    return {"data-works-offline": ""}


def needs_server() -> dict[str, str]:
    """Return the attribute of a button that needs the server although it opens or closes a popover too."""
    return {"data-needs-server": ""}


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
says_of_connection = is_offline | (_SHOWN == "live refused") | (_SHOWN == "live unsure")


def connection_words() -> rx.Component:
    """Return what a page says that is offline, or was when the person did something."""
    offline = _("You're offline. Figures may be out of date. Reconnecting…")
    return rx.match(
        _SHOWN,
        ("lost", rx.fragment(offline)),
        (
            "lost refused",
            rx.fragment(offline, " ", _("That wasn't sent. Try again once you're back online.")),
        ),
        ("lost unsure", rx.fragment(offline, " ", _("Your last action may not have gone through."))),
        (
            "live refused",
            rx.fragment(_("You were offline, so your last action wasn't sent. Try it again.")),
        ),
        (
            "live unsure",
            rx.fragment(
                _(
                    "The connection was lost during your last action. Check whether it went through before"
                    " you repeat it."
                )
            ),
        ),
        rx.fragment(),
    )


def why_not_offline() -> rx.Component:
    """Return the words that buttons refer to which are shut while the page is offline."""
    return rx.el.span(_("Not available while you're offline."), id="offline-words", hidden=True)
