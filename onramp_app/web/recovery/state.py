"""The states of `/forgot`, `/reset` and `/confirm`, which anybody may open: links from mails prove who it is.

The secret of a link stands behind `#` in the address. It is read from there when a button is pressed, and no
variable of a state holds it.
"""

import reflex as rx
from reflex.event import EventSpec

from onramp_app.accounts.sessions import Client
from onramp_app.accounts.words import LinkPurpose
from onramp_app.domain.errors import EmailTaken, RateLimited, ValidationFailed
from onramp_app.factors.errors import OtpRequired, WrongCode
from onramp_app.recovery import addresses, passwords, requests, securing
from onramp_app.texts import _
from onramp_app.web.tabs.session import forget, leave
from onramp_app.web.words.forms import text_of
from onramp_app.web.words.passwords import weak_password_text


class _LinkState(rx.State):
    """What the pages of links have in common: who opens one, and which."""

    def _client(self) -> Client:
        headers = self.router.headers
        return Client(self.router.session.client_ip, headers.user_agent, headers.cookie)

    def _secret(self) -> str:
        return str(self.router.url.fragment)


class ForgotState(_LinkState):
    """Whether a link was asked for."""

    is_sent: bool = False
    is_ready: bool = False
    problem: str = ""

    @rx.event
    def load(self) -> None:
        """Forget an earlier visit, and let the form be sent.

        Before the page is connected the browser would send it itself, with the address in that of the page.
        """
        self.is_sent, self.problem, self.is_ready = False, "", True

    @rx.event
    async def ask(self, form: dict[str, object]) -> None:
        """Ask for a link. What is said never depends on whether there is such an account."""
        try:
            await requests.ask(text_of(form, "email"), self._client())
        except RateLimited:
            self.problem = _("Too many attempts. Wait a few minutes and try again.")
        else:
            self.is_sent, self.problem = True, ""


class ResetState(_LinkState):
    """Whether the link works, and what is wrong with the new password."""

    is_looked_up: bool = False
    works: bool = False
    email: str = ""
    is_claim: bool = False
    problem: str = ""
    password_problem: str = ""
    asks_code: bool = False
    code_problem: str = ""

    @rx.event
    async def load(self) -> None:
        """Look whether the link still works; nothing is used up by that."""
        self.problem = self.password_problem = self.code_problem = ""  # nosec B105  # nothing is wrong
        self.asks_code = False
        view = await _look(self._secret(), self._client())
        self.is_claim = view is not None and view.purpose == LinkPurpose.CLAIM_ACCOUNT
        self.works = self.is_claim or (view is not None and view.purpose == LinkPurpose.RESET_PASSWORD)
        self.email = view.email if view is not None and self.works else ""
        self.is_looked_up = True

    @rx.event
    async def set_password(self, form: dict[str, object]) -> EventSpec | None:
        """Set the new password, and go on to signing in."""
        self.problem = self.password_problem = self.code_problem = ""  # nosec B105  # nothing is wrong
        new_password, code = text_of(form, "new_password"), text_of(form, "reset_code")
        try:
            await passwords.reset(self._secret(), new_password, self._client(), code=code)
        except OtpRequired:
            self.asks_code = True
        except WrongCode:
            self.code_problem = _("This code is wrong or was used before. Enter the one shown now.")
        except ValidationFailed as error:
            if any(wrong.field == "new_password" for wrong in error.errors):
                self.password_problem = weak_password_text(new_password)
            else:
                self.works = False
        except EmailTaken:
            self.problem = _(
                "This address belongs to another account. Sign in to that one, or have the link sent to"
                " another address."
            )
        except RateLimited:
            self.problem = _("Too many attempts. Wait a few minutes and try again.")
        else:
            return await leave(self, "password_reset")
        return None


class ConfirmState(_LinkState):
    """What the link is for, in words, and what came of it."""

    is_looked_up: bool = False
    works: bool = False
    is_done: bool = False
    title: str = ""
    text: str = ""
    button: str = ""
    problem: str = ""

    @rx.event
    async def load(self) -> None:
        """Look what the link is for; nothing is used up by that."""
        self.is_done, self.problem = False, ""
        view = await _look(self._secret(), self._client())
        words = _before(view.purpose, view.email) if view is not None else None
        self.works = words is not None
        self.title, self.text, self.button = words or ("", "", "")
        self.is_looked_up = True

    @rx.event
    async def confirm(self) -> None:
        """Do what the link is for."""
        self.problem = ""
        secret, client = self._secret(), self._client()
        try:
            view = await addresses.look(secret, client)
            if view is None:
                self.works = False
                return
            match LinkPurpose(view.purpose):
                case LinkPurpose.CONFIRM_EMAIL | LinkPurpose.CHANGE_EMAIL:
                    await addresses.confirm(secret, client)
                case LinkPurpose.UNDO_EMAIL:
                    await securing.undo_change(secret, client)
                    await forget(self)
                case LinkPurpose.NOT_ME:
                    await securing.secure(secret, client)
                    await forget(self)
                case LinkPurpose.RESET_PASSWORD | LinkPurpose.CLAIM_ACCOUNT:
                    self.works = False
                    return
        except ValidationFailed:
            self.works = False
        except EmailTaken:
            self.problem = _("This address now belongs to another account.")
        except RateLimited:
            self.problem = _("Too many attempts. Wait a few minutes and try again.")
        else:
            self.is_done = True
            self.title, self.text = _after(view.purpose, view.email)


async def _look(secret: str, client: Client) -> addresses.LinkView | None:
    try:
        return await addresses.look(secret, client)
    except RateLimited:
        return None


def _before(purpose: str, email: str) -> tuple[str, str, str] | None:
    match LinkPurpose(purpose):
        case LinkPurpose.CONFIRM_EMAIL | LinkPurpose.CHANGE_EMAIL:
            return (
                _("Confirm your address"),
                _("{address} will belong to your account.").format(address=email),
                _("Confirm address"),
            )
        case LinkPurpose.UNDO_EMAIL:
            return (
                _("Undo the change of your address"),
                _(
                    "Your account belongs to {address} again. Every device is signed out, and we send you a"
                    " link to set a new password."
                ).format(address=email),
                _("Undo the change"),
            )
        case LinkPurpose.NOT_ME:
            return (
                _("Wasn't this you?"),
                _(
                    "We sign out every device, and lock the password and the passkeys. Then we send a link to"
                    " set a new password to {address}."
                ).format(address=email),
                _("Secure my account"),
            )
        case LinkPurpose.RESET_PASSWORD | LinkPurpose.CLAIM_ACCOUNT:
            return None


def _after(purpose: str, email: str) -> tuple[str, str]:
    match LinkPurpose(purpose):
        case LinkPurpose.CONFIRM_EMAIL | LinkPurpose.CHANGE_EMAIL:
            return (
                _("Your address is confirmed"),
                _("{address} belongs to your account.").format(address=email),
            )
        case _:
            return (
                _("Your account is safe"),
                _(
                    "Every device is signed out. Open the email that we've sent to {address} and set a new"
                    " password."
                ).format(address=email),
            )
