"""The state of `/add-money/[id]`: one top-up, from the payment page to the balance.

Nothing here decides about money. The messages of the widget come from a page that anybody can open, so all
that they do is make us ask the provider.
"""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import ClassVar

import reflex as rx
from reflex.event import EventSpec

from onramp_app.domain import clock
from onramp_app.domain.errors import DatabaseUnavailable, NotFound, RateLimited
from onramp_app.links.sessions import Payer
from onramp_app.provider_orders import freshness, walks
from onramp_app.throttle import throttle
from onramp_app.top_ups import top_ups
from onramp_app.top_ups.errors import NotCancelable
from onramp_app.top_ups.usual_time import usual_minutes
from onramp_app.wallet.latest import Latest
from onramp_app.web.tabs.live import LiveState
from onramp_app.web.tabs.session import link_token_of, route_of, to_login
from onramp_app.web.top_up.shapes import NOTHING_YET, TopUpPage
from onramp_app.web.top_up.words import alone, missing_page, page_of, without_ways
from onramp_app.web.words.amounts import moment_text
from onramp_app.web.words.top_ups import can_age

ASK_AT_MOST_EVERY = timedelta(seconds=2)
READ_WITHIN_SECONDS = 6.0
# The types of the widget's messages in both dialects (docs/onramp.md). Progress is worth asking the provider,
# and so is a person who closes the widget: they may just have paid.
_PROGRESS = re.compile(r"ONRAMP_(?:WIDGET_TX|KYC)_[A-Z_]{1,40}")
_LEAVING = frozenset({"ONRAMP_WIDGET_CLOSE_REQUEST", "ONRAMP_WIDGET_CLOSE_REQUEST_CONFIRMED"})
_BROKEN = "ONRAMP_WIDGET_FAILED"
_READY = "ONRAMP_WIDGET_READY"


class TopUpPageState(LiveState):
    """The one top-up that the tab shows."""

    _place: ClassVar[str] = "/add-money/"
    _for_links: ClassVar[frozenset[str]] = frozenset(("load", "check_now", "widget_said", "cancel"))

    page: TopUpPage = NOTHING_YET
    reading: str = ""  # The outcome of the "Check now" button: empty, `asking`, `current` or `away`.
    answered_at: str = ""  # When the provider was last asked and answered (RFC 3339).
    is_widget_broken: bool = False
    _pressed_at: datetime | None = None
    _hinted_at: datetime | None = None
    _of_link: str = ""  # The link's top-up, if the tab is at the page of a link.

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read the top-up that the address names."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self._of_link = (viewer.terms.top_up_id or "") if isinstance(viewer, Payer) else ""
        if self.page.id != self._wanted():
            self._forget_top_up()
        await self._catch_up(Latest(viewer))
        return None

    @rx.event(background=True)
    async def check_now(self) -> EventSpec | None:
        """Ask the provider now, because the person pressed the button, and show whether it answered."""
        async with self:
            if (viewer := await self._viewer()) is None:
                return to_login(self)
            wanted = self._wanted()
            if not wanted or _is_recent(self._pressed_at):
                return None
            self._pressed_at = clock.now()
            self.reading = "asking"
            await self._catch_up(Latest(viewer))
        try:
            await throttle.attempt(throttle.READ_AGAIN, viewer.user_id)
            fresh = await freshness.read_now(viewer, within_seconds=READ_WITHIN_SECONDS)
        except (DatabaseUnavailable, RateLimited):
            fresh = freshness.Freshness(is_current=False, read_at=None)
        async with self:
            if (viewer := await self._viewer()) is None:
                return to_login(self)
            if self._wanted() == wanted:
                self.reading = "current" if fresh.is_current else "away"
                self.answered_at = moment_text(fresh.read_at)
                await self._catch_up(Latest(viewer))
        return None

    @rx.event
    async def widget_said(self, kind: str) -> EventSpec | None:
        """Handle the type of a message from the widget: a hint that something may have happened there."""
        if await self._viewer() is None:
            return to_login(self)
        if not isinstance(kind, str) or self.page.kind not in ("offered", "moving"):
            return None
        if kind in (_BROKEN, _READY):
            self.is_widget_broken = kind == _BROKEN
        elif (kind in _LEAVING or _PROGRESS.fullmatch(kind)) and not _is_recent(self._hinted_at):
            self._hinted_at = clock.now()
            await walks.ask_for_read()
        return None

    @rx.event
    async def cancel(self) -> EventSpec | None:
        """End the offer of the top-up that the tab shows."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        # If the offer has ended or was paid meanwhile, the page shows that.
        with suppress(NotFound, NotCancelable):
            await top_ups.cancel(viewer, self._wanted())
        await self._catch_up(Latest(viewer))
        return None

    async def _show_of_link(self, top_up_id: str, latest: Latest) -> None:
        """Show the top-up of the link whose page the tab shows."""
        self._of_link = top_up_id
        await self._catch_up(latest)

    def _has_loaded(self) -> bool:
        return bool(self.page.id) or link_token_of(self) is not None

    async def _catch_up(self, latest: Latest) -> None:
        if not (wanted := self._wanted()):  # A handler took so long that the tab has moved on.
            return
        view = await latest.top_up(wanted)
        if view is None:
            page = missing_page(wanted)
        else:
            if self._of_link:
                view = alone(view)
            balances = await latest.balances() if view.has_entry and not self._of_link else None
            usual = await usual_minutes(view.payment_method)
            fresh_until = await latest.fresh_until(wanted) if can_age(view) else None
            page = page_of(view, balances, usual_minutes=usual, fresh_until=fresh_until)
            page = without_ways(page) if self._of_link else page
        if self.page != page:
            self.page = page
        self._is_current()

    def _wanted(self) -> str:
        """Return the id of the top-up of the address or of its link; empty if the tab shows another page."""
        if link_token_of(self) is not None:
            return self._of_link
        route = route_of(self)
        return route.removeprefix(self._place) if self._is_shown_at(route) else ""

    def _forget_top_up(self) -> None:
        self.page = NOTHING_YET
        self.reading = self.answered_at = ""
        self.is_widget_broken = False


def _is_recent(last: datetime | None) -> bool:
    """Return whether a tab that asked the provider at that time has to wait before it asks again."""
    return last is not None and clock.now() - last < ASK_AT_MOST_EVERY
