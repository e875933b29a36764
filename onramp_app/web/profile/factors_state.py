"""The state of the second factors on `/profile`. Each handler resolves the session again before it acts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import reflex as rx
from reflex.event import EventSpec

from onramp_app.accounts.sessions import Client
from onramp_app.accounts.views import Viewer
from onramp_app.domain.errors import (
    InvalidCredentials,
    NotFound,
    RateLimited,
    RecentSignInRequired,
    Unauthenticated,
)
from onramp_app.factors import passkeys
from onramp_app.factors.errors import (
    FactorNotPossible,
    OtpRequired,
    PasskeyKnown,
    PasskeyRefused,
    TooManyPasskeys,
    WrongCode,
)
from onramp_app.factors.views import FactorView
from onramp_app.factors.words import MAX_NAME, FactorKind
from onramp_app.sign_in import second_factor
from onramp_app.texts import _
from onramp_app.web.parts.qr_code import qr_code
from onramp_app.web.profile.security_words import device_name
from onramp_app.web.profile.shapes import FactorLine
from onramp_app.web.profile.state import ProfileState
from onramp_app.web.tabs.session import PrivateState, to_login
from onramp_app.web.words.amounts import moment_text
from onramp_app.web.words.forms import text_of

Made = TypeVar("Made")


class FactorsState(PrivateState):
    """The factors of the person, and what is being added. Secrets are set only on their way to the page."""

    lines: list[FactorLine] = []  # noqa: RUF012  # Reflex copies the default for each state.
    codes_left: int = 0
    has_factor: bool = False
    password_problem: str = ""
    code_problem: str = ""
    problem: str = ""
    said: str = ""
    is_adding_app: bool = False
    app_secret: str = ""
    app_qr_path: str = ""
    app_qr_size: int = 0
    app_code_problem: str = ""
    new_codes: list[str] = []  # noqa: RUF012  # as above
    passkey_options: str = ""

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read the factors and forget what an earlier visit left, but not an app that waits for its code.

        A phone may have frozen the page, and lost its connection, while its owner was in the app.
        """
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        self._stop_adding()
        self.new_codes = []
        self.is_adding_app = await second_factor.is_authenticator_begun(viewer)
        await self._list(viewer)
        return None

    @rx.event
    async def begin_app(self) -> AsyncIterator[EventSpec | None]:
        """Show the secret of a new authenticator app, once: the server forgets it at once."""
        if (viewer := await self._viewer()) is None:
            yield to_login(self)
            return
        self._forget_messages()
        if made := await self._attempt(lambda: second_factor.begin_authenticator(viewer)):
            self.is_adding_app = True
            path, size = qr_code(made.uri)
            self.app_secret, self.app_qr_path, self.app_qr_size = _in_fours(made.secret), path, size
            yield None  # The page has it now.
            self._drop("app_secret", "")
            self._drop("app_qr_path", "")

    @rx.event
    async def cancel_app(self) -> EventSpec | None:
        """Set up no app after all."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        self._stop_adding()
        await second_factor.cancel_authenticator(viewer)
        return None

    @rx.event
    async def confirm_app(self, form: dict[str, object]) -> AsyncIterator[EventSpec | None]:
        """Let the app count from now on, and show the recovery codes, once."""
        if (viewer := await self._viewer()) is None:
            yield to_login(self)
            return
        if not self.is_adding_app:
            return  # A second press of the button: the first has shown codes that are never shown again.
        self._forget_messages()
        code, client = text_of(form, "app_code"), self._client()
        try:
            added = await self._attempt(
                lambda: second_factor.confirm_authenticator(viewer, code, client=client)
            )
        except WrongCode:
            self.app_code_problem = _("This code is wrong. Enter the one that the app shows now.")
            return
        if added:
            self.is_adding_app = False
            self.said = _("Your authenticator app is set up. You're signed out everywhere else.")
            async for event in self._show_codes(viewer, added.recovery_codes):
                yield event

    @rx.event
    async def begin_passkey(self) -> AsyncIterator[EventSpec | None]:
        """Have the browser make a passkey."""
        if (viewer := await self._viewer()) is None:
            yield to_login(self)
            return
        self._forget_messages()
        if options := await self._attempt(lambda: second_factor.passkey_creation_options(viewer)):
            self.passkey_options = options
            yield None
            self._drop("passkey_options", "")

    @rx.event
    async def add_passkey(self, answer: str) -> AsyncIterator[EventSpec | None]:
        """Keep the passkey that the browser has made, named after the device."""
        if (viewer := await self._viewer()) is None:
            yield to_login(self)
            return
        self._forget_messages()
        answer = answer if isinstance(answer, str) else ""
        name = device_name(self.router.headers.user_agent)[:MAX_NAME]
        client = self._client()
        try:
            added = await self._attempt(
                lambda: second_factor.add_passkey(viewer, answer, name=name, client=client)
            )
        except PasskeyRefused:
            self.problem = _("The passkey couldn't be added. Try again.")
            return
        if added:
            self.said = _("Your passkey is added. You're signed out everywhere else.")
            async for event in self._show_codes(viewer, added.recovery_codes):
                yield event

    @rx.event
    def passkey_failed(self, name: str) -> None:
        """Say why the browser has made no passkey; `name` is that of a DOMException."""
        self._forget_messages()
        if name == "InvalidStateError":
            self.problem = _("This device already holds a passkey of your account.")
        elif name == "NotSupportedError":
            self.problem = _("This browser can't make passkeys.")
        else:
            self.problem = _("No passkey was made. Try again.")

    @rx.event
    async def remove(self, factor_id: str) -> EventSpec | None:
        """Remove a factor. One that is gone already is just missing from the list."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        client, wanted = self._client(), factor_id if isinstance(factor_id, str) else ""

        async def remove() -> bool:
            await second_factor.remove_factor(viewer, wanted, client=client)
            return True

        try:
            if await self._attempt(remove):
                self.new_codes = []
                self.said = _("Removed. You're signed out everywhere else.")
        except NotFound:
            pass
        await self._list(viewer)
        return None

    @rx.event
    async def renew_codes(self) -> AsyncIterator[EventSpec | None]:
        """Replace the recovery codes, and show the new ones, once."""
        if (viewer := await self._viewer()) is None:
            yield to_login(self)
            return
        self._forget_messages()
        client = self._client()
        if codes := await self._attempt(lambda: second_factor.renew_recovery_codes(viewer, client=client)):
            async for event in self._show_codes(viewer, codes):
                yield event

    @rx.event
    async def prove(self, form: dict[str, object]) -> EventSpec | None:
        """Take the password and, where there is a second factor, a code."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        try:
            await second_factor.prove(viewer, text_of(form, "proof_password"), text_of(form, "proof_code"))
        except (OtpRequired, WrongCode):
            self.code_problem = _("Enter the code that your authenticator app shows now, or a recovery code.")
        except InvalidCredentials:
            self.password_problem = _("This isn't your current password.")
        except RateLimited:
            self.password_problem = _("Too many attempts. Wait a few minutes and try again.")
        else:
            await self._proved()
        return None

    @rx.event
    async def prove_by_passkey(self, answer: str) -> EventSpec | None:
        """Take the answer of one of the person's passkeys."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        try:
            await second_factor.prove_by_passkey(viewer, answer if isinstance(answer, str) else "")
        except PasskeyRefused:
            self.password_problem = _("The passkey wasn't accepted. Try again, or use your password.")
            page = await self.get_state(ProfileState)
            page.passkey_request = passkeys.request_options()
        else:
            await self._proved()
        return None

    def _client(self) -> Client:
        return Client(self.router.session.client_ip, self.router.headers.user_agent)

    async def _proved(self) -> None:
        self.said = _("Thank you. You can continue for 15 minutes.")
        page = await self.get_state(ProfileState)
        page.needs_proof = False

    async def _attempt(self, act: Callable[[], Awaitable[Made]]) -> Made | None:
        """Return what the act makes, or None after saying what keeps it from being done.

        Errors that only one act knows go on to its handler.
        """
        try:
            return await act()
        except (RecentSignInRequired, Unauthenticated):
            page = await self.get_state(ProfileState)
            page._ask_for_proof()
        except RateLimited:
            self.problem = _("Too many attempts. Wait a few minutes and try again.")
        except TooManyPasskeys:
            self.problem = _("You have {most} passkeys. Remove one first.").format(most=passkeys.MAX_PASSKEYS)
        except PasskeyKnown:
            self.problem = _("This passkey is known already.")
        except FactorNotPossible:
            self.problem = _("Add a passkey or an authenticator app first.")
        return None

    async def _show_codes(self, viewer: Viewer, codes: tuple[str, ...]) -> AsyncIterator[EventSpec | None]:
        self._stop_adding()
        await self._list(viewer)
        page = await self.get_state(ProfileState)
        await page._list_security(viewer)
        self.new_codes = list(codes)
        yield None  # The page has them now.
        self._drop("new_codes", [])

    def _drop(self, name: str, empty: object) -> None:
        # The state is pickled between events, so secrets go. The page keeps showing what it got.
        setattr(self, name, empty)
        self.dirty_vars.discard(name)

    async def _list(self, viewer: Viewer) -> None:
        held = await second_factor.list_factors(viewer)
        self.lines = [_line(view) for view in held.items]
        self.has_factor, self.codes_left = bool(held.items), held.recovery_codes_left

    def _stop_adding(self) -> None:
        self.is_adding_app = False
        self.app_secret = self.app_qr_path = self.passkey_options = ""  # nosec B105  # nothing is shown

    def _forget_messages(self) -> None:
        self.password_problem = self.code_problem = self.app_code_problem = ""  # nosec B105  # as above
        self.problem = self.said = ""


def _line(view: FactorView) -> FactorLine:
    is_app = view.kind == FactorKind.TOTP
    used = moment_text(view.last_used_at) if view.last_used_at else ""
    return FactorLine(
        factor_id=view.factor_id,
        name=_("Authenticator app") if is_app else _("Passkey on {device}").format(device=view.name),
        added_at=moment_text(view.made_at),
        used_at=used,
    )


def _in_fours(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
