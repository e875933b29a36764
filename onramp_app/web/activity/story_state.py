"""The state of `/activity/[id]`: the story of one top-up or ledger transfer."""

from dataclasses import replace
from typing import ClassVar

import reflex as rx
from reflex.event import EventSpec

from onramp_app.receipts.facts import facts_of
from onramp_app.receipts.paper import check_address
from onramp_app.wallet.latest import Latest
from onramp_app.web.activity.shapes import Story
from onramp_app.web.activity.story_words import story_of_top_up, story_of_transfer
from onramp_app.web.tabs.live import LiveState
from onramp_app.web.tabs.session import page_path, to_login
from onramp_app.web.words.top_ups import can_age


class StoryState(LiveState):
    """One story. `is_missing`: this address has none, or it belongs to somebody else.

    `shown` is the id of the address that this is about. Until the page has loaded, it may be another one.
    """

    _place: ClassVar[str] = "/activity/"

    is_loaded: bool = False
    is_missing: bool = False
    story: Story = Story()
    shown: str = ""

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read the story that the address names."""
        if self._wanted() != self.shown:
            self.is_loaded, self.is_missing, self.story = False, False, Story()
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        await self._show(Latest(viewer))
        return None

    def _has_loaded(self) -> bool:
        return self.is_loaded

    async def _catch_up(self, latest: Latest) -> None:
        await self._show(latest)

    async def _show(self, latest: Latest) -> None:
        wanted = self._wanted()
        top_up = await latest.top_up(wanted)
        transfer = None if top_up else await latest.transfer(wanted)
        self.is_missing = top_up is None and transfer is None
        if top_up is not None:
            fresh_until = await latest.fresh_until(wanted) if can_age(top_up) else None
            self.story = story_of_top_up(top_up, fresh_until=fresh_until)
        elif transfer is not None:
            self.story = story_of_transfer(transfer)
        if not self.is_missing:
            facts = await latest.once(("receipt", wanted), lambda: facts_of(latest.viewer, wanted))
            self.story = replace(self.story, check_address=check_address(facts))
        self.shown = wanted
        self.is_loaded = True
        self._is_current()

    def _wanted(self) -> str:
        return page_path(self).rpartition("/")[2]
