"""The parent of states that change while they are shown: how a push reaches what a tab shows."""

from typing import ClassVar

import reflex as rx

from onramp_app.domain import clock
from onramp_app.texts import DEFAULT_LANGUAGE, LANGUAGES, language_of_texts
from onramp_app.wallet.latest import Latest
from onramp_app.web.tabs.session import LINK_PLACE, PrivateState, route_of
from onramp_app.web.words.amounts import moment_text


class LiveState(PrivateState):
    """Parent of every state whose content may change while somebody looks at it.

    A child reads in `load`, and shows changes in `_catch_up`, both from a `Latest`. So a tab that comes back
    after a lost connection shows the same as one that never lost it.
    """

    # The page that shows the state, such as `/home`; with a slash at the end, every page below.
    _place: ClassVar[str]

    as_of: str = ""  # When what this tab shows was last read (RFC 3339).

    async def _catch_up(self, latest: Latest) -> None:
        """Show what is new. Called while the tab is at the page of the state. Each child overrides this."""
        raise NotImplementedError

    def _has_loaded(self) -> bool:
        """Return whether `load` has run; False in a new state after a loss. Each child overrides this."""
        raise NotImplementedError

    @classmethod
    def _is_shown_at(cls, route: str) -> bool:
        if cls._for_links and route.startswith(LINK_PLACE):
            return True
        return route.startswith(cls._place) if cls._place.endswith("/") else route == cls._place

    def _is_current(self) -> None:
        self.as_of = moment_text(clock.now())


async def catch_up(tab: rx.State, latest: Latest) -> bool:
    """Show what is new on the page of a tab, given any state of the tab.

    Returns False where the state has lost what the page had loaded, so that the page has to load again.
    """
    route, had_all = route_of(tab), True
    viewer = latest.viewer
    with language_of_texts(viewer.language if viewer.language in LANGUAGES else DEFAULT_LANGUAGE):
        for part in LiveState.__subclasses__():
            if part._is_shown_at(route):
                state = await tab.get_state(part)
                had_all = had_all and state._has_loaded()
                await state._catch_up(latest)
    return had_all
