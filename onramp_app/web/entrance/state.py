"""The state of `/login` and `/register`, above all after the API sent a form back with a reason."""

from urllib.parse import quote

import reflex as rx
from reflex.event import EventSpec

from onramp_app.accounts import sessions
from onramp_app.accounts.cookies import read_form_cookie
from onramp_app.accounts.words import countries, currency_of_country
from onramp_app.domain.places import HOME, own_path
from onramp_app.factors import passkeys
from onramp_app.texts import _
from onramp_app.web.tabs.session import page_path
from onramp_app.web.words.passwords import weak_password_text


class EntranceState(rx.State):
    """The typed values, without the password, and what was wrong, in words."""

    email: str = ""
    display_name: str = ""
    country: str = ""
    display_currency: str = ""
    next: str = HOME
    carried: str = ""  # `next` for the link between the two pages
    message: str = ""
    is_refused: bool = False  # The message is about a form that was sent, not a greeting.
    email_problem: str = ""
    password_problem: str = ""
    is_second_step: bool = False  # The password was right; the code is missing.
    code_problem: str = ""
    passkey_request: str = ""  # What a passkey answers to, as JSON; on `/login` only.

    @rx.event
    async def load(self) -> EventSpec | None:
        """Fill in what the API sent back: the reason from the address, the values from the cookie.

        A person who is signed in already goes on to the page they wanted.
        """
        query = self.router.url.query_parameters
        cookie_header = self.router.headers.cookie
        self.next = own_path(query.get("next"))
        self.carried = "" if self.next == HOME else f"?next={quote(self.next, safe='')}"
        if await sessions.resolve_cookie_header(cookie_header):
            return rx.redirect(self.next)
        typed = read_form_cookie(cookie_header)
        self.email = typed.get("email", "")
        self.display_name = typed.get("display_name", "")
        self.country = typed.get("country", "")
        self.display_currency = typed.get("display_currency", "")
        self._explain(query.get("reason", ""))
        self._ask_passkey()
        return None

    @rx.event
    def renew_passkey_request(self) -> None:
        """Ask a passkey for another answer: the time for one is short, and a page may stand open for long."""
        self._ask_passkey()

    def _ask_passkey(self) -> None:
        self.passkey_request = passkeys.request_options() if page_path(self).endswith("/login") else ""

    @rx.event
    def propose_currency(self, country: str) -> None:
        """Propose the currency of the country that was just chosen."""
        if isinstance(country, str) and country in countries():
            self.display_currency = currency_of_country(country)

    def _explain(self, reason: str) -> None:
        self.message = self.email_problem = self.password_problem = ""  # nosec B105  # nothing is wrong
        self.code_problem = ""
        self.is_second_step = reason in ("otp_required", "wrong_code")
        self.is_refused = reason not in (
            "session_ended",
            "signed_out",
            "signed_out_here",
            "password_reset",
            "account_closed",
        )
        match reason:
            case "" | "otp_required":
                return
            case "wrong_code":
                self.code_problem = _("This code is wrong or was used before. Enter the one shown now.")
            case "email_taken":
                self.email_problem = _("An account with this email exists.")
            case "weak_password":
                self.password_problem = weak_password_text()
            case _other:
                self.message = _reason_text(reason)


def _reason_text(reason: str) -> str:
    texts = {
        "invalid_credentials": _("Email or password is wrong. Check both and try again."),
        "passkey_refused": _("The passkey wasn't accepted. Try again, or sign in with your password."),
        "first_step_over": _("That took too long. Enter your password again."),
        "rate_limited": _("Too many attempts. Wait a few minutes and try again."),
        "validation_failed": _("Something in the form can't be used. Check the fields and try again."),
        "database_unavailable": _("We can't reach our database right now. Try again in a minute."),
        "session_ended": _("Sign in to continue."),
        "signed_out": _("You're signed out."),
        "account_closed": _("Your account is closed."),
        "password_reset": _("Your password is set. Sign in with it."),
        "signed_out_here": _(
            "You're signed out in this browser. We couldn't reach our database to end the session"
            ", so it ends within 30 minutes."
        ),
    }
    return texts.get(reason, _("That didn't work. Try again."))
