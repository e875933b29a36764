"""The states of `/link/[token]`: what anybody who has the address sees, and what a narrow session adds.

Until a browser has opened the link with the button, it sees who asks for what, and no more. After that it
sees the wizard and then the top-up, each with its own state, which keeps to what the link fixes
(`Payer.terms`).
"""

from typing import ClassVar

import reflex as rx
from reflex.event import EventSpec

from onramp_app.accounts import sessions
from onramp_app.domain import clock
from onramp_app.links import sessions as narrow
from onramp_app.links import views
from onramp_app.links.returns import Result
from onramp_app.links.sessions import Payer
from onramp_app.links.views import OpenedLink
from onramp_app.top_ups.views import TopUpView
from onramp_app.wallet.latest import Latest
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.link.shapes import Asked, Over, WayBack
from onramp_app.web.link.words import asked_title, over_of, unknown
from onramp_app.web.tabs.live import LiveState
from onramp_app.web.tabs.session import link_token_of, page_path, to_login
from onramp_app.web.top_up.state import TopUpPageState


class LinkState(rx.State):
    """What the address alone reveals. `shows` is `asked`, `over` or `open`, and empty before that is known.

    `token` is that of the link described here: until the address has been read, it may be another link's.
    """

    token: str = ""
    shows: str = ""
    asked: Asked = Asked()
    over: Over = Over()

    @rx.event
    async def load(self) -> EventSpec | None:
        """Look up the link of the address, and go on to its page if this browser has opened it."""
        token = link_token_of(self) or ""
        found = await views.opened(token)
        if found is None or found.terms is None:
            self.token, self.shows, self.asked = token, "over", Asked()
            self.over = unknown() if found is None else _over(found)
            return None
        cookie = self.router.headers.cookie
        self.asked, self.over = await self._asked(found, token, cookie), Over()
        self.token = token
        if await narrow.resolve(cookie, found.link_id) is None:
            self.shows = "asked"
            return None
        self.shows = "open"
        return VisitState.load  # type: ignore[return-value]  # Reflex makes it a handler

    async def _asked(self, found: OpenedLink, token: str, cookie: str) -> Asked:
        terms = found.terms
        if terms is None:
            return Asked()
        viewer = await sessions.resolve_cookie_header(cookie)
        return Asked(
            token=token,
            here=page_path(self),
            program=found.program,
            title=asked_title(found.program, terms),
            is_somebody_else=viewer is not None and viewer.user_id != found.user_id,
            back=_way_back(found, None) if terms.top_up_id is None else WayBack(),
        )


class VisitState(LiveState):
    """What a browser that has opened the link sees. `shows` is `wizard` or `top_up`, and empty before."""

    _place: ClassVar[str] = "/link/"
    _for_links: ClassVar[frozenset[str]] = frozenset(("load",))

    shows: str = ""
    back: WayBack = WayBack()

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read whether the link's top-up has begun, and load the wizard or the top-up accordingly."""
        viewer = await self._viewer()
        if not isinstance(viewer, Payer):
            return to_login(self)
        await self._catch_up(Latest(viewer))
        shown = WizardState if self.shows == "wizard" else TopUpPageState
        return shown.load  # type: ignore[return-value]  # Reflex makes it a handler

    def _has_loaded(self) -> bool:
        return bool(self.shows)

    async def _catch_up(self, latest: Latest) -> None:
        found = await views.opened(link_token_of(self) or "")
        if found is None or found.terms is None:
            return  # The narrow session has ended with the link, which sends the tab away.
        top_up_id = found.terms.top_up_id
        if top_up_id is not None and self.shows == "wizard":
            # Another browser has begun the top-up: this one shows it too.
            page = await self.get_state(TopUpPageState)
            await page._show_of_link(top_up_id, latest)
        self.shows = "wizard" if top_up_id is None else "top_up"
        top_up = None if top_up_id is None else await latest.top_up(top_up_id)
        self.back = _way_back(found, top_up)
        self._is_current()


def _over(found: OpenedLink) -> Over:
    """Return why a link no longer works, with the way back unless a top-up was begun by it."""
    # The result of a top-up is only for those who have opened the link.
    return over_of(found, WayBack() if found.is_begun else _way_back(found, None))


def _way_back(found: OpenedLink, top_up: TopUpView | None) -> WayBack:
    """Return where the person may return to, with the result in the address."""
    result = Result(found.link_id, "canceled", clock.now())
    if top_up is not None:
        result = Result(
            found.link_id,
            top_up.status,
            clock.now(),
            top_up_id=top_up.id,
            amount=top_up.booked_amount or "",
            asset=top_up.booked_asset or "" if top_up.booked_amount else "",
        )
    if (address := found.address_back(result)) is None:
        return WayBack()
    return WayBack(address=address, place=found.program)
