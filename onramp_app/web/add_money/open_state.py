"""The part of the wizard's state that answers "is it safe to try again?" for open top-ups."""

from collections.abc import Sequence

import reflex as rx
from reflex.event import EventSpec

from onramp_app.domain.errors import DatabaseUnavailable, NotFound, RateLimited
from onramp_app.domain.ids import new_id
from onramp_app.provider_orders import freshness
from onramp_app.texts import _
from onramp_app.throttle import throttle
from onramp_app.top_ups import top_ups
from onramp_app.top_ups.errors import NotCancelable
from onramp_app.top_ups.transitions import Charged
from onramp_app.top_ups.views import TopUpView
from onramp_app.wallet import announcements
from onramp_app.wallet.latest import Latest
from onramp_app.web.add_money.shapes import OpenTopUp
from onramp_app.web.add_money.words import open_title, open_top_up_of
from onramp_app.web.tabs.session import PrivateState, to_login
from onramp_app.web.words.amounts import moment_text

READ_WITHIN_SECONDS = 6.0
_BY_RISK = (Charged.UNKNOWN, Charged.YES, Charged.NO)


class AsksAboutOpen(PrivateState, mixin=True):
    """The open top-ups, and how well we know whether they were paid.

    `shows` says what the page shows: nothing yet, `blocked`, `open` (the open top-ups) or `form`.
    """

    shows: str = ""
    open_ones: list[OpenTopUp] = []  # noqa: RUF012  # Reflex copies the default for each state.
    open_title: str = ""
    open_text: str = ""
    open_problem: str = ""
    reading: str = ""  # Empty, `asking`, `current` or `away`.
    read_at: str = ""  # When the provider was last read (RFC 3339); empty when it never was.

    _asked: str = ""  # The id of the latest question. The answer to any other comes too late.

    def _go_to_form(self) -> EventSpec:
        """Show the form: no open top-up stands in its way any more."""
        raise NotImplementedError

    @rx.event(background=True)
    async def ask_provider(self) -> EventSpec | None:
        """Ask the provider whether the open top-ups were paid, and show whether it answered."""
        async with self:
            if (viewer := await self._viewer()) is None:
                return to_login(self)
            if self.shows != "open":
                return None
            self._asked = asked = new_id()
            self.reading = "asking"
        try:
            await throttle.attempt(throttle.READ_AGAIN, viewer.user_id)
            fresh = await freshness.read_now(viewer, within_seconds=READ_WITHIN_SECONDS)
            views = await Latest(viewer).open_top_ups()
            if not await announcements.live_sessions({viewer.session_id}):
                return to_login(self)
        except (DatabaseUnavailable, RateLimited):
            fresh, views = freshness.Freshness(is_current=False, read_at=None), None
        async with self:
            if self._asked == asked:
                self.reading = "current" if fresh.is_current else "away"
                self.read_at = moment_text(fresh.read_at)
                if views is not None:
                    self._show_open(views)
        return None

    @rx.event
    async def cancel_open(self, top_up_id: str) -> EventSpec | None:
        """Cancel an open top-up that nobody has paid."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        if self.shows != "open":
            return None
        self.open_problem = ""
        try:
            await top_ups.cancel(viewer, top_up_id if isinstance(top_up_id, str) else "")
        except NotCancelable:
            self.open_problem = _("It can't be canceled any more: a payment has started, or it has ended.")
        except NotFound:
            pass  # The list read below no longer shows it.
        views = await Latest(viewer).open_top_ups()
        self._show_open(views)
        return None if views else self._go_to_form()

    def _show_open(self, views: Sequence[TopUpView]) -> None:
        # Top-ups that may have been charged come first: they decide whether another one is safe.
        views = sorted(views, key=lambda view: _BY_RISK.index(Charged(view.charged)))
        is_sought = any(view.charged == Charged.UNKNOWN for view in views)
        self.open_ones = [open_top_up_of(view, is_another_sought=is_sought) for view in views]
        self.open_title, self.open_text = open_title(views, reading=self.reading)
