"""Which pages of this process have to load again, and which part of the system is away for each.

A page is known by its socket, from its first message on. A page whose load failed has neither a state nor a
person, so no other list names it, and Reflex does not answer a page whose state cannot be read.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from redis.exceptions import RedisError
from reflex_base.utils.exceptions import LockExpiredError

from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet.channels import Bell

# A load may take seconds when everybody loads at once. Without an answer by then, the page is asked again.
ANSWER_WITHIN_SECONDS = 10
_LONGEST_WAIT_SECONDS = 60
# The parts that all pages need: the regular look at the database, and the store of their states.
LOOK, STORE = "look", "store"


class Away(StrEnum):
    """The part that keeps a page from being current, by the word that the page gets."""

    NOTHING = ""
    DATABASE = "database"
    UPDATES = "updates"  # Redis, where the states of pages lie, or the look for what has changed.
    PAGE = "page"  # No part is known to be away, but this one page could not be loaded.


def away_by(error: BaseException) -> Away:
    """Return the part that is away, going by an error."""
    match error:
        case DatabaseUnavailable():
            return Away.DATABASE
        case RedisError() | LockExpiredError() | OSError():
            return Away.UPDATES
        case _:
            return Away.PAGE


@dataclass(slots=True)
class _Load:
    """One load that has not ended well yet."""

    due_at: float  # When the page is asked to load again.
    asked_at: float | None = None  # When it was asked last; None once that load has begun or failed.
    tries: int = 0
    failure: Away | None = None


class PageLoads:
    """The loads of one process. Times are those of `time.monotonic`, in seconds."""

    def __init__(self) -> None:
        self.bell = Bell()  # Rung whenever a page waits for an answer.
        self.current_until = ""  # The moment up to which pages are known to have been current (RFC 3339).
        self._away: dict[str, Away] = {}  # By the part that is away.
        self._loads: dict[str, _Load] = {}
        self._unanswered: dict[str, str] = {}

    @property
    def away(self) -> Away:
        """The part that is away for every page of this process."""
        return next(iter(self._away.values()), Away.NOTHING)

    @property
    def is_shut(self) -> bool:
        """Whether no event can run, because the store of the states is away."""
        return STORE in self._away

    def note(self, part: str, away: Away) -> None:
        """Note whether a part is away. Once no part is, every page whose load failed may load at once."""
        before = self.away
        self._away.pop(part, None)
        if away:
            self._away[part] = away
        if before and not self.away:
            for load in self._loads.values():
                if load.failure is not None:
                    load.due_at, load.tries = 0, 0
        if before != self.away:
            self.bell.ring()

    def begun(self, socket_id: str) -> None:
        """Note that a page has asked to load."""
        load = self._loads.setdefault(socket_id, _Load(0))
        load.failure, load.asked_at = None, None
        load.due_at = time.monotonic() + max(ANSWER_WITHIN_SECONDS, _wait(load.tries))

    def ended(self, socket_id: str) -> None:
        """Note that the load of a page has ended, unless a part of the load has failed."""
        load = self._loads.get(socket_id)
        if load is not None and load.failure is None:
            del self._loads[socket_id]

    def failed(self, socket_id: str, away: Away, *, words: str = "") -> None:
        """Note that an event of a page failed, so that the page loads again once that is possible.

        `words`: the message for the person, where the person caused the event.
        """
        if not socket_id:
            return  # The event did not come from a page.
        load = self._loads.setdefault(socket_id, _Load(0))
        load.failure, load.asked_at = away, None
        load.due_at = time.monotonic() + _wait(load.tries)
        self._unanswered[socket_id] = words or self._unanswered.get(socket_id, "")
        self.bell.ring()

    def lost(self, socket_id: str) -> None:
        """Note that the state of a page is lost, although the page still shows something."""
        if socket_id not in self._loads:
            self._loads[socket_id] = _Load(0)
            self.bell.ring()

    def forget(self, socket_id: str) -> None:
        """Forget the page of a socket that has closed."""
        self._loads.pop(socket_id, None)
        self._unanswered.pop(socket_id, None)

    def keep_only(self, connected: Collection[str]) -> None:
        """Forget the pages of closed sockets: an event may fail after its page has left."""
        for socket_id in (self._loads.keys() | self._unanswered.keys()) - set(connected):
            self.forget(socket_id)

    def is_loading(self, socket_id: str) -> bool:
        """Return whether a load of the page has begun and has not ended."""
        load = self._loads.get(socket_id)
        return load is not None and load.failure is None

    def away_of(self, socket_id: str) -> Away:
        """Return the part that is away for one page."""
        load = self._loads.get(socket_id)
        return (load and load.failure) or self.away

    def take_unanswered(self) -> dict[str, str]:
        """Return and clear the pages that wait for an answer, each with the words for the person."""
        unanswered, self._unanswered = self._unanswered, {}
        return unanswered

    def take_due(self, now: float, *, at_once: int) -> list[str]:
        """Return the sockets of pages to be asked to load now, so that about `at_once` load together.

        Pages that show nothing come first. Empty while a part is away, because the loads would fail again.
        """
        if self.away:
            return []
        running = sum(
            load.asked_at is not None and now < load.asked_at + ANSWER_WITHIN_SECONDS
            for load in self._loads.values()
        )
        due = [
            (load.failure is None, socket_id) for socket_id, load in self._loads.items() if load.due_at <= now
        ]
        chosen = [socket_id for _, socket_id in sorted(due)[: max(0, at_once - running)]]
        for socket_id in chosen:
            load = self._loads[socket_id]
            load.tries += 1
            load.asked_at, load.due_at = now, now + max(ANSWER_WITHIN_SECONDS, _wait(load.tries))
        return chosen


def _wait(tries: int) -> float:
    return min(_LONGEST_WAIT_SECONDS, 2.0**tries)


page_loads = PageLoads()
