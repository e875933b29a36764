"""The state of `/profile`. Each handler resolves the session again before it acts for a person."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import ClassVar

import reflex as rx
from reflex.event import EventSpec

from onramp_app.accounts import accounts, security_events, sessions
from onramp_app.accounts.accounts import ProfileChanges
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import Role
from onramp_app.domain.errors import (
    Forbidden,
    InvalidCredentials,
    NotFound,
    RateLimited,
    RecentSignInRequired,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.factors import passkeys
from onramp_app.mail.words import Choice
from onramp_app.operators import codes
from onramp_app.operators.errors import FactorRequired
from onramp_app.texts import _
from onramp_app.web.profile.security_words import security_line, session_line
from onramp_app.web.profile.shapes import SecurityLine, SessionLine
from onramp_app.web.tabs.session import PrivateState, SessionState, leave, to_login
from onramp_app.web.words.forms import text_of
from onramp_app.web.words.passwords import weak_password_text

_FIRST_EVENTS = 10
_MORE_EVENTS = 20
_MOST_EVENTS = 200  # A tab never holds more lines; the next ones take their place.


class ProfileState(PrivateState):
    """What the profile shows besides the person: results, problems, sessions and security activity."""

    account_id: str = ""  # Support goes by this id, because an email address may be another one tomorrow.
    is_operator: bool = False
    operator_code: str = ""  # Set only on its way to the page: the server forgets the code at once.
    operator_code_until: str = ""
    operator_code_problem: str = ""
    needs_proof: bool = False  # The person has to show once more who they are.
    passkey_request: str = ""  # What a passkey answers to then, as JSON.
    details_saved: bool = False
    name_problem: str = ""
    details_problem: str = ""
    password_changed: bool = False
    current_password_problem: str = ""
    new_password_problem: str = ""
    password_form: int = 0  # Counts up when the form is to be emptied.
    gets_money_added: bool = True
    gets_reviews: bool = True
    gets_failed_payments: bool = True
    mails_saved: bool = False
    session_lines: list[SessionLine] = []  # noqa: RUF012  # Reflex copies the default for each state.
    security_lines: list[SecurityLine] = []  # noqa: RUF012  # as above
    has_older_events: bool = False
    is_later_part: bool = False  # The list of events does not begin with the newest.
    _events_cursor: str = ""
    _here: str = ""  # The network address of this session.

    # A timer of the card that asks for a proof. It goes on where nobody is there.
    _sent_by_page: ClassVar[frozenset[str]] = frozenset(("renew_passkey_request",))

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read the sessions and forget the messages of an earlier visit."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        self.account_id = viewer.user_id
        self.is_operator = viewer.role != Role.USER
        self._show_mails(await accounts.wanted_mails(viewer))
        await self._list_security(viewer)
        return None

    @rx.event
    async def save_mails(self, form: dict[str, object]) -> EventSpec | None:
        """Save which notices the person gets by mail: those that the form names."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        if not isinstance(form, dict):
            return None
        wanted = frozenset(choice for choice in Choice if form.get(choice.value))
        await accounts.choose_mails(viewer, wanted)
        self._show_mails(wanted)
        self.mails_saved = True
        return None

    @rx.event
    async def save_details(self, form: dict[str, object]) -> EventSpec | None:
        """Save name, country, currency and language."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        changes = ProfileChanges(
            display_name=text_of(form, "display_name"),
            country=text_of(form, "country") or None,
            display_currency=text_of(form, "display_currency") or None,
            language=text_of(form, "language") or None,
        )
        try:
            saved = await accounts.update_profile(viewer, changes)
        except ValidationFailed as error:
            if any(wrong.field == "display_name" for wrong in error.errors):
                self.name_problem = _("Use 1 to 80 characters.")
            else:
                self.details_problem = _("Choose from the lists and save again.")
            return None
        page = await self.get_state(SessionState)
        page._bind(saved)
        self.details_saved = True
        return None

    @rx.event
    async def change_password(self, form: dict[str, object]) -> EventSpec | None:
        """Change the password. This session stays; all other sessions of the person end."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        new_password = text_of(form, "new_password")
        try:
            await accounts.change_password(
                viewer,
                text_of(form, "current_password"),
                new_password=new_password,
                address=self.router.session.client_ip,
            )
        except RecentSignInRequired:
            self._ask_for_proof()
        except InvalidCredentials:
            self.current_password_problem = _("This isn't your current password.")
        except ValidationFailed:
            self.new_password_problem = weak_password_text(new_password)
        except RateLimited:
            self.current_password_problem = _("Too many attempts. Wait a few minutes and try again.")
        else:
            self.password_changed = True
            self.password_form += 1
            await self._list_security(viewer)
        return None

    @rx.event
    async def end_session(self, session_id: str) -> EventSpec | None:
        """End one session of the person. One that has ended already is just missing from the list."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        with suppress(NotFound):  # The list below says the same.
            wanted = session_id if isinstance(session_id, str) else ""
            await sessions.end_session(viewer.user_id, wanted, address=self.router.session.client_ip)
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        await self._list_security(viewer)
        return None

    @rx.event
    async def end_other_sessions(self) -> EventSpec | None:
        """End all sessions of the person but this one."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        await accounts.sign_out_elsewhere(viewer, address=self.router.session.client_ip)
        await self._list_security(viewer)
        return None

    @rx.event
    async def end_all_sessions(self) -> EventSpec | None:
        """End all sessions of the person, this one too."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget_messages()
        await accounts.sign_out_everywhere(viewer, address=self.router.session.client_ip)
        return await leave(self, "signed_out")

    @rx.event
    async def show_older_events(self) -> EventSpec | None:
        """Add older security events below. Beyond `_MOST_EVENTS` they take the place of those shown."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        if not self._events_cursor:
            return None
        lines = await self._read_events(viewer, limit=_MORE_EVENTS, cursor=self._events_cursor)
        is_full = len(self.security_lines) + len(lines) > _MOST_EVENTS
        self.security_lines = lines if is_full else [*self.security_lines, *lines]
        self.is_later_part = self.is_later_part or is_full
        return None

    @rx.event
    async def show_newest_events(self) -> EventSpec | None:
        """Show the newest security events again."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        await self._list_security(viewer)
        return None

    @rx.event
    async def make_operator_code(self) -> AsyncIterator[EventSpec | None]:
        """Make a one-time code and show it once: neither a reload nor another tab shows it again."""
        if (viewer := await self._viewer()) is None:
            yield to_login(self)
            return
        self._forget_messages()
        try:
            made = await codes.make(viewer, address=self.router.session.client_ip)
        except RecentSignInRequired:
            self._ask_for_proof()
        except FactorRequired:
            self.operator_code_problem = _("Operators need a second factor. Add one below first.")
        except RateLimited:
            self.operator_code_problem = _("Too many codes. Wait a few minutes and try again.")
        except (Forbidden, Unauthenticated):
            yield to_login(self)
        else:
            self.operator_code, self.operator_code_until = made.code, made.expires_at.isoformat()
            yield None  # The page has it now.
            # The state is pickled between events, so the code goes. The page keeps showing what it got.
            self.operator_code = ""
            self.dirty_vars.discard("operator_code")
            await self._list_security(viewer)

    @rx.event
    def renew_passkey_request(self) -> None:
        """Ask a passkey for another answer: its time is short, and the card may stand open for long."""
        self.passkey_request = passkeys.request_options()

    def _ask_for_proof(self) -> None:
        """Show the card. What a passkey answers to counts for ten minutes from here on, and once."""
        self.needs_proof = True
        self.passkey_request = passkeys.request_options()

    async def _list_security(self, viewer: Viewer) -> None:
        views, _cursor = await sessions.list_sessions(viewer, limit=sessions.MAX_KEPT)
        self._here = next((view.address for view in views if view.is_current), "")
        lines = [session_line(view, here=self._here) for view in views]
        self.session_lines = sorted(lines, key=lambda line: not line.is_current)
        self.security_lines = await self._read_events(viewer, limit=_FIRST_EVENTS)
        self.is_later_part = False

    async def _read_events(
        self, viewer: Viewer, *, limit: int, cursor: str | None = None
    ) -> list[SecurityLine]:
        events, older = await security_events.list_events(viewer, limit=limit, cursor=cursor)
        self._events_cursor, self.has_older_events = older or "", bool(older)
        return [security_line(event, here=self._here) for event in events]

    def _show_mails(self, wanted: frozenset[Choice]) -> None:
        self.gets_money_added = Choice.MONEY_ADDED in wanted
        self.gets_reviews = Choice.REVIEWS in wanted
        self.gets_failed_payments = Choice.FAILED_PAYMENTS in wanted

    def _forget_messages(self) -> None:
        self.mails_saved = False
        self.details_saved = self.password_changed = self.needs_proof = False
        self.operator_code = self.operator_code_until = self.operator_code_problem = ""
        self.name_problem = self.details_problem = ""
        self.current_password_problem = self.new_password_problem = ""  # nosec B105  # nothing is wrong
