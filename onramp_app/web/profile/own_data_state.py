"""The state of "Your data" on `/profile`: the file of all that is held, and closing the account."""

import reflex as rx
from reflex.event import EventSpec

from onramp_app.accounts.sessions import Client
from onramp_app.accounts.views import Viewer
from onramp_app.domain.amounts import asset_text
from onramp_app.domain.errors import AccountNotEmpty, Forbidden, RateLimited, RecentSignInRequired
from onramp_app.privacy import closing, export
from onramp_app.texts import _
from onramp_app.top_ups.errors import AccountFrozen
from onramp_app.web.profile.state import ProfileState
from onramp_app.web.tabs.session import PrivateState, leave, to_login


class OwnDataState(PrivateState):
    """Whether the file may be fetched, what keeps the account from being closed, and what was refused."""

    is_ready: bool = False  # The person has just proved who they are, so the file can be fetched.
    left: list[str] = []  # noqa: RUF012  # Reflex copies the default for each state.
    is_asked: bool = False  # The page asks whether the account really is to be closed.
    problem: str = ""

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read what is left, and forget what an earlier visit asked."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget()
        await self._list(viewer)
        return None

    @rx.event
    async def prepare(self) -> EventSpec | None:
        """Show the link to the file, once the person has proved who they are."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget()
        try:
            await export.require_allowed(viewer)
        except RecentSignInRequired:
            await self._ask_who_it_is()
        else:
            self.is_ready = True
        return None

    @rx.event
    async def ask(self) -> EventSpec | None:
        """Ask whether the account really is to be closed, where nothing is left in it."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._forget()
        await self._list(viewer)
        self.is_asked = not self.left
        return None

    @rx.event
    async def keep(self) -> EventSpec | None:
        """Leave everything as it is."""
        if await self._viewer() is None:
            return to_login(self)
        self._forget()
        return None

    @rx.event
    async def close(self) -> EventSpec | None:
        """Close the account, which ends this session too."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        was_asked = self.is_asked
        self._forget()
        if not was_asked:
            return None
        client = Client(self.router.session.client_ip, self.router.headers.user_agent)
        try:
            await closing.close(viewer, client=client)
        except AccountNotEmpty:
            await self._list(viewer)
        except RecentSignInRequired:
            await self._ask_who_it_is()
        except AccountFrozen:
            self.problem = _("Your account is frozen, so it can't be closed. Please contact support.")
        except Forbidden:
            self.problem = _("An operator's account can be closed once an admin has taken the role away.")
        except RateLimited:
            self.problem = _("Too many attempts. Wait a few minutes and try again.")
        else:
            return await leave(self, "account_closed")
        return None

    async def _ask_who_it_is(self) -> None:
        page = await self.get_state(ProfileState)
        page._ask_for_proof()

    async def _list(self, viewer: Viewer) -> None:
        left = await closing.what_is_left(viewer)
        self.left = [
            *(
                _("You still have {amount}.").format(amount=asset_text(n, asset))
                for asset, n in left.balances
            ),
            *(_("You still owe {amount}.").format(amount=asset_text(n, asset)) for asset, n in left.owed),
            *([_("A payment is still open.")] if left.open_top_ups else []),
            *([_("A payment is being reviewed.")] if left.open_reviews else []),
        ]

    def _forget(self) -> None:
        self.is_ready = self.is_asked = False
        self.problem = ""
