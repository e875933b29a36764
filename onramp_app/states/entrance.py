"""What the sign-in and registration pages show, above all after the API sent a form back with a reason."""

from urllib.parse import urlsplit

import reflex as rx

from onramp_app.domain.accounts import countries, currencies, currency_of
from onramp_app.states.flash import read_flash
from onramp_app.texts import _

_MAX_NEXT_LENGTH = 512


class EntranceState(rx.State):
    """The typed values but the password, and what was wrong, in words."""

    email: str = ""
    display_name: str = ""
    country: str = ""
    display_currency: str = ""
    next: str = ""
    message: str = ""
    email_problem: str = ""
    password_problem: str = ""

    @rx.event
    def load(self) -> None:
        """Fill in what the API sent back: the reason from the address, the values from the cookie."""
        query = self.router.url.query_parameters
        typed = read_flash(self.router.headers.cookie)
        self.email = typed.get("email", "")
        self.display_name = typed.get("display_name", "")
        self.country = typed.get("country", "")
        self.display_currency = typed.get("display_currency", "")
        self.next = _own_path(query.get("next", ""))
        self._explain(query.get("reason", ""))

    @rx.event
    def choose_country(self, code: str) -> None:
        """Take the country and propose its currency."""
        if code in countries():
            self.country = code
            self.display_currency = currency_of(code)
        elif code == "":
            self.country = ""

    @rx.event
    def choose_currency(self, code: str) -> None:
        """Take the currency that amounts are to be shown in."""
        if code in currencies():
            self.display_currency = code

    def _explain(self, reason: str) -> None:
        self.message = self.email_problem = self.password_problem = ""
        match reason:
            case "":
                pass
            case "email_taken":
                self.email_problem = _("An account with this e-mail exists. Sign in instead?")
            case "weak_password":
                self.password_problem = _("This password is easy to guess. Choose another one.")
            case _other:
                self.message = _reason_text(reason)


def _reason_text(reason: str) -> str:
    texts = {
        "invalid_credentials": _("E-mail or password is wrong. Check both and try again."),
        "rate_limited": _("Too many attempts. Wait a few minutes and try again."),
        "validation_failed": _("Something in the form cannot be used. Check the fields and try again."),
        "database_unavailable": _("We cannot reach our database right now. Try again in a minute."),
        "session_ended": _("You were signed out. Sign in to go on."),
        "signed_out": _("You are signed out."),
    }
    return texts.get(reason, _("That did not work. Try again."))


def _own_path(value: str) -> str:
    """Return a path of this application or nothing. The server checks it again when it redirects."""
    parts = urlsplit(value[:_MAX_NEXT_LENGTH])
    is_own = value.startswith("/") and not value.startswith(("//", "/\\")) and not parts.netloc
    return value if is_own and len(value) <= _MAX_NEXT_LENGTH else ""
