"""Carries what happened elsewhere to the tabs of this instance: changed money, and that a session has ended.

Announcements do it at once. A look every 10 seconds finds what a lost announcement left, and sessions that
ended by age; where announcements do not arrive at all, it looks every 2 seconds. A tab that leaves is
dropped at the next look, because Reflex tells nobody.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import cast

import reflex as rx
import structlog
from prometheus_client import Counter
from reflex.event import Event
from reflex.state import StateUpdate

from onramp_app.db.engine import BACKGROUND, places_of
from onramp_app.services import announcements
from onramp_app.services.announcements import Listening, Living, SessionEnded, UsersChanged, hearing
from onramp_app.services.latest import Latest
from onramp_app.services.wallet import Wallets
from onramp_app.states import connections
from onramp_app.states.connections import Holder
from onramp_app.states.left_tabs import drop_oldest_states
from onramp_app.states.live import catch_up
from onramp_app.states.page_socket import PageSocket
from onramp_app.states.session import SessionState, to_login

LOOK_EVERY_SECONDS = 10
LOOK_EVERY_SECONDS_WHEN_DEAF = 2
_RETRY_SECONDS = 1
_LET_IN_WITHIN_SECONDS = 0.5
_READ_TOGETHER = 50

_SHOWN = Counter("tabs_brought_up_to_date", "Tabs that were shown what had changed.")
_log = structlog.get_logger(__name__)


async def keep_tabs_current(app: rx.App) -> None:
    """Bring every tab up to date, as long as this instance runs, and lead it to `/login` at its end."""
    async with asyncio.TaskGroup() as tasks:
        tabs = Tabs(app, tasks)
        tasks.create_task(_again_and_again(tabs.listen))
        tasks.create_task(_again_and_again(tabs.look_now_and_then))


async def _again_and_again(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001  # whatever it was, the tabs still have to be told
            _log.warning("telling the tabs was interrupted", work=work.__name__, exc_info=True)
        await asyncio.sleep(_RETRY_SECONDS)


class _Places:
    """So many may read at once. Who keeps a tab waiting meanwhile goes before those who do not."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._with_tab: deque[asyncio.Future[None]] = deque()
        self._without: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def take(self, *, holds_tab: bool) -> AsyncIterator[None]:
        """Have a place for as long as the block lasts."""
        if self._free:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            (self._with_tab if holds_tab else self._without).append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self._give_back()
                raise
        try:
            yield
        finally:
            self._give_back()

    def _give_back(self) -> None:
        for line in (self._with_tab, self._without):
            while line:
                if not (turn := line.popleft()).done():
                    turn.set_result(None)
                    return
        self._free += 1


class Tabs:
    """The tabs of this instance, and what they have to be told."""

    def __init__(self, app: rx.App, tasks: asyncio.TaskGroup) -> None:
        self._app = app
        self._tasks = tasks
        self._changed: dict[str, None] = {}  # people who have to be told, whoever waits longest first
        self._is_telling = False
        self._being_told: set[str] = set()
        self._being_ended: set[str] = set()  # tabs that are led away
        # Each one holds a connection of the pool, which requests need too.
        self._places = _Places(places_of(BACKGROUND))
        self._versions: dict[str, str] = {}

    async def listen(self) -> None:
        """Take note of what is announced. What was missed until it listens is looked for once."""
        async for announcement in announcements.listen():
            match announcement:
                case Listening():
                    await self.look()
                case SessionEnded(session_id):
                    self._end({session_id})
                    self._tasks.create_task(self._end_who_was_let_in(session_id))
                case UsersChanged(user_ids):
                    self._tell(user_ids & connections.known_users())

    async def look_now_and_then(self) -> None:
        """Look for what nobody announced."""
        while True:
            is_deaf = not await hearing.test()
            if is_deaf:
                _log.warning("announcements do not arrive; is there a pooler before the database?")
            await asyncio.sleep(LOOK_EVERY_SECONDS_WHEN_DEAF if is_deaf else LOOK_EVERY_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Compare what the tabs show with the database, once."""
        connected = self._connected()
        connections.keep_only(connected)
        drop_oldest_states(self._app, connected)
        shown = connections.known_sessions()
        living = await announcements.living(shown) if shown else {}
        self._end(shown - living.keys())
        versions = {one.viewer.user_id: one.version for one in living.values()}
        # Who is new here may have read just before a change whose announcement was lost: they are told too.
        changed = {user_id for user_id, version in versions.items() if self._versions.get(user_id) != version}
        self._versions = versions
        self._tell(changed)

    def _tell(self, user_ids: Collection[str]) -> None:
        self._changed |= dict.fromkeys(user_ids)
        if self._changed and not self._is_telling:
            self._is_telling = True
            self._tasks.create_task(self._tell_changed())

    async def _tell_changed(self) -> None:
        # Whoever came while others were read is read together with all who came meanwhile.
        try:
            while waiting := [one for one in self._changed if one not in self._being_told][:_READ_TOGETHER]:
                for user_id in waiting:
                    del self._changed[user_id]
                self._being_told.update(waiting)
                await self._tell_together(waiting)
        finally:
            self._is_telling = False

    async def _tell_together(self, user_ids: Collection[str]) -> None:
        tabs = connections.tabs_of_users(user_ids)
        shown = {holder.session_id for theirs in tabs.values() for holder in theirs.values()}
        living: dict[str, Living] = {}
        try:
            async with self._places.take(holds_tab=False):
                living = await announcements.living(shown)
        except Exception:  # noqa: BLE001  # the next look finds what this one left
            _log.warning("people's tabs could not be brought up to date", exc_info=True)
            for user_id in user_ids:
                self._versions.pop(user_id, None)
        people = {one.viewer.user_id: one for one in living.values()}
        wallets = Wallets([one.viewer for one in people.values()])
        tabs_now = connections.tabs_of_users(people)
        for user_id, one in people.items():
            # Where the session has ended, whoever notices leads the tab away.
            theirs = {token: holder for token, holder in tabs[user_id].items() if holder.session_id in living}
            # A tab that came meanwhile may have read before this version: then the next look has to find it.
            version = one.version if tabs_now[user_id].keys() <= tabs[user_id].keys() else None
            # A tab may be busy for seconds. That holds up nobody but its own person.
            self._tasks.create_task(self._tell_person(Latest(one.viewer, wallets), theirs, version))
        self._being_told.difference_update(set(user_ids) - people.keys())

    async def _tell_person(self, latest: Latest, tabs: Mapping[str, Holder], version: str | None) -> None:
        """Show a person's tabs what is new. It is read once for all of them."""
        user_id = latest.viewer.user_id
        try:
            for token, holder in tabs.items():
                if token in self._connected():
                    await self._show(token, holder.session_id, latest)
            if version is not None:
                self._versions[user_id] = version
        except Exception:  # noqa: BLE001  # the next look finds what this one left
            self._versions.pop(user_id, None)
            _log.warning("somebody's tabs could not be brought up to date", exc_info=True)
        finally:
            self._being_told.discard(user_id)
        self._tell(())  # whoever changed again meanwhile

    async def _show(self, token: str, session_id: str, latest: Latest) -> None:
        async with self._app.modify_state(rx.BaseStateToken(ident=token, cls=SessionState)) as state:
            page = await state.get_state(SessionState)
            # The tab may have gone over to somebody else, who reads for themselves; and its session may have
            # ended while this waited for the tab: then nothing is shown there any more.
            is_ended = not page.is_signed_in or token in self._being_ended
            if page._session_id != session_id or is_ended:
                return
            async with self._places.take(holds_tab=True):
                await catch_up(page, latest)
        _SHOWN.inc()

    def _connected(self) -> Collection[str]:
        return cast("PageSocket", self._app.event_namespace).tabs if self._app.event_namespace else ()

    def _end(self, session_ids: Collection[str]) -> None:
        # Each by itself: a tab that is busy must not keep others open, nor keep anybody from listening.
        for token in set(connections.tabs_of_sessions(session_ids)) - self._being_ended:
            self._being_ended.add(token)
            self._tasks.create_task(self._end_tab(token, session_ids))

    async def _end_who_was_let_in(self, session_id: str) -> None:
        # Whose row was read just before its end comes on the list just after the announcement.
        await asyncio.sleep(_LET_IN_WITHIN_SECONDS)
        self._end({session_id})

    async def _end_tab(self, token: str, session_ids: Collection[str]) -> None:
        try:
            if token in self._connected():
                await self._lead_to_login(token, session_ids)
            # Not before, because it says which socket may be told; and not who has signed in meanwhile.
            if _belongs(token, session_ids):
                connections.forget(token)
        except Exception:  # noqa: BLE001  # one tab that fails must not keep the others open
            _log.exception("a tab could not be ended")  # It stays on the list, for the next look.
        finally:
            self._being_ended.discard(token)

    async def _lead_to_login(self, token: str, session_ids: Collection[str]) -> None:
        async with self._app.modify_state(rx.BaseStateToken(ident=token, cls=SessionState)) as state:
            if not _belongs(token, session_ids):
                return  # Somebody has signed in there while this waited for the tab.
            page = await state.get_state(SessionState)
            page._forget_person()
            leave = Event.from_event_type(to_login(page))
        if self._app.event_namespace is not None:
            await self._app.event_namespace.emit_update(update=StateUpdate(events=leave), token=token)


def _belongs(token: str, session_ids: Collection[str]) -> bool:
    holder = connections.holder_of(token)
    return holder is not None and holder.session_id in session_ids
