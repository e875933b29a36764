"""The state of `/activity`: the list of transactions. The filters are in the address."""

from collections.abc import Mapping
from typing import ClassVar

import reflex as rx
from reflex.event import EventSpec

from onramp_app.domain.errors import ValidationFailed
from onramp_app.pricing.names import method_name
from onramp_app.texts import _
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.wallet.latest import Latest
from onramp_app.wallet.transactions import methods_used
from onramp_app.web.activity.filters import (
    NAMES,
    after_of,
    filters_of,
    given_of,
    query_of,
    status_text,
    usable_filters,
)
from onramp_app.web.activity.shapes import ActivityFilter, Method
from onramp_app.web.tabs.live import LiveState
from onramp_app.web.tabs.session import page_path, to_login
from onramp_app.web.words.transactions import ActivityRow, row_of

PAGE = 25
MOST = 100  # A tab never holds more lines. Older ones are at an address of their own.


class ActivityState(LiveState):
    """The list. `query` holds the filters as they follow a path; `older` is the address of further lines."""

    _place: ClassVar[str] = "/activity"

    is_loaded: bool = False
    rows: list[ActivityRow] = []  # noqa: RUF012  # Reflex copies the default for each state.
    filter: ActivityFilter = ActivityFilter()
    query: str = ""
    status_words: str = ""
    method_words: str = ""
    methods: list[Method] = []  # noqa: RUF012  # as above
    problem: str = ""
    has_more: bool = False
    is_later_part: bool = False  # The list does not begin with the newest.
    older: str = ""
    _cursor: str = ""
    _after: str = ""

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read the filters from the address, and the list. Lines that were loaded of the same list stay."""
        given = self.router.url.query_parameters
        wanted, all_usable = usable_filters(given)
        after = after_of(given) or ""
        if (wanted, after) != (self.filter, self._after):
            self.rows, self.is_loaded = [], False
        self.filter, self.query, self._after = wanted, query_of(wanted), after
        self.problem = "" if all_usable else _("A filter in the address can't be used and was left out.")
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self.methods = [Method(code, method_name(code)) for code in await methods_used(viewer)]
        self.status_words = status_text(TopUpStatus(wanted.status)) if wanted.status else ""
        self.method_words = method_name(wanted.method) if wanted.method else ""
        await self._show(Latest(viewer))
        return None

    @rx.event
    async def show_more(self) -> EventSpec | None:
        """Add the next page below, up to `MOST` lines."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        if self._cursor and len(self.rows) < MOST:
            await self._show(Latest(viewer), more=PAGE)
        return None

    @rx.event
    async def search(self, form: dict[str, object]) -> EventSpec:
        """Look for what was typed, among what the other filters leave."""
        typed = form.get("search") if isinstance(form, Mapping) else None
        return await self._go({"search": typed, "q": ""})

    @rx.event
    async def choose(self, name: str, value: str) -> EventSpec:
        """Set one filter, by its name in the address; an empty value removes it."""
        return await self._go({name: value} if name in NAMES else {})

    @rx.event
    async def between(self, since: str, before: str) -> EventSpec:
        """Set the moments at which the chosen days begin and end where the browser is; empty removes one."""
        return await self._go({"from": since, "to": before})

    async def _go(self, changes: Mapping[str, object]) -> EventSpec:
        if await self._viewer() is None:
            return to_login(self)
        wanted, _all_usable = usable_filters({**given_of(self.filter), **changes})
        return rx.redirect(f"{page_path(self)}{query_of(wanted)}")

    def _has_loaded(self) -> bool:
        return self.is_loaded

    async def _catch_up(self, latest: Latest) -> None:
        await self._show(latest)

    async def _show(self, latest: Latest, *, more: int = 0) -> None:
        """Read as many lines as are shown, and `more`, so that new lines and changed states appear."""
        limit = min(max(len(self.rows), PAGE) + more, MOST)
        try:
            views, cursor = await latest.transactions(
                filters_of(self.filter), limit=limit, cursor=self._after or None
            )
        except ValidationFailed:
            self._after = ""
            self.problem = _("This part of the list can't be found. Here are the newest.")
            views, cursor = await latest.transactions(filters_of(self.filter), limit=limit)
        self.rows = [row_of(view) for view in views]
        self._cursor = cursor or ""
        self.has_more = bool(cursor) and len(self.rows) < MOST
        is_full = bool(cursor) and not self.has_more
        self.older = f"{page_path(self)}{query_of(self.filter, after=self._cursor)}" if is_full else ""
        self.is_later_part = bool(self._after)
        self.is_loaded = True
        self._is_current()
