"""The parent of states that change by themselves: how a push reaches what a tab shows."""

from urllib.parse import urlsplit

from onramp_app.domain import clock
from onramp_app.services.latest import Latest
from onramp_app.states.amounts import moment_text
from onramp_app.states.session import PrivateState


class LiveState(PrivateState):
    """Parent of every state whose content may change while somebody looks at it.

    Its children read in `load` and are told of changes by `_catch_up`, both with the same `Latest`, so a
    tab that comes back after a lost connection and one that never left it show the same.
    """

    as_of: str = ""  # When what this tab shows was last read (RFC 3339).

    async def _catch_up(self, latest: Latest) -> None:
        """Show what is new, if this tab shows the page at all. Every child has its own."""
        raise NotImplementedError

    def _is_at(self, place: str) -> bool:
        """Say whether the tab shows `place` (such as `/home`) or, for `/activity/`, a page below it."""
        path = urlsplit(str(self.router.url)).path
        return path.startswith(place) if place.endswith("/") else path.rstrip("/") == place

    def _is_current(self) -> None:
        self.as_of = moment_text(clock.now())
