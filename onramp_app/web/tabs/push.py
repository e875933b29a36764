"""Brings changes of money and ends of sessions to the tabs of this instance.

Announcements bring them at once. A look every 10 seconds finds changes whose announcement was lost, and
sessions that ended by age; while no announcements arrive, the look comes every 2 seconds. A tab that left is
dropped at the next look, because Reflex does not report it.

Every page says which part of the system is away. A page that could not be loaded, or whose state is lost, is
asked to load again once that part is back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import cast

import reflex as rx
import structlog
from prometheus_client import Counter, Histogram
from reflex.event import Event
from reflex.state import StateUpdate

from onramp_app.domain import clock
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet.changed_people import Credit
from onramp_app.fleet.channels import Bell
from onramp_app.fleet.echo import echo_test
from onramp_app.fleet.watch import is_database_away
from onramp_app.links.sessions import Payer
from onramp_app.telemetry import trace
from onramp_app.wallet import announcements
from onramp_app.wallet.announcements import Listening, LiveSession, SessionEnded, UsersChanged, UsersCredited
from onramp_app.wallet.home import Wallets
from onramp_app.wallet.latest import Latest
from onramp_app.wallet.reading_places import ReadingPlaces
from onramp_app.web.tabs import holders
from onramp_app.web.tabs.holders import Holder
from onramp_app.web.tabs.left import drop_oldest_states
from onramp_app.web.tabs.live import catch_up
from onramp_app.web.tabs.loads import LOOK, STORE, Away, page_loads
from onramp_app.web.tabs.session import SessionState, page_path, to_login
from onramp_app.web.tabs.socket import PageSocket
from onramp_app.web.tabs.store import PageStore, PageStoreAway
from onramp_app.web.words.amounts import moment_text

LOOK_EVERY_SECONDS = 10
LOOK_EVERY_SECONDS_WITHOUT_ANNOUNCEMENTS = 2
LOOK_EVERY_SECONDS_WHILE_AWAY = 1
LOOK_WITHIN_SECONDS = 8
_LOOK_AT_STORE_EVERY_SECONDS = 2
_ASK_TO_LOAD_EVERY_SECONDS = 0.5
# Loading again takes the database, and people who click meanwhile need that too.
_LOADS_AT_ONCE = 20
_RETRY_SECONDS = 1
_LATE_ARRIVAL_SECONDS = 0.5
_READ_TOGETHER = 50

_SHOWN = Counter("tabs_brought_up_to_date", "Tabs that were shown what had changed.")
_PUSH_SECONDS = Histogram(
    "push_seconds",
    "Time from the commit of a credit to the first open page of its owner that shows it.",
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_log = structlog.get_logger(__name__)


async def keep_tabs_current(app: rx.App) -> None:
    """Keep every tab of this instance up to date, and lead it to `/login` when its session ends."""
    async with asyncio.TaskGroup() as tasks:
        tabs = Tabs(app, tasks)
        tasks.create_task(_retry_forever(tabs.listen))
        tasks.create_task(_retry_forever(tabs.look_now_and_then))
        tasks.create_task(_retry_forever(tabs.look_at_store))
        tasks.create_task(_retry_forever(tabs.load_again))


async def _retry_forever(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # whatever failed, the tabs still need their changes
            _log_unless_away("bringing changes to the tabs was interrupted", error, work=work.__name__)
        await asyncio.sleep(_RETRY_SECONDS)


def _log_unless_away(event: str, error: Exception, **fields: object) -> None:
    if not is_database_away(error):  # Which is said elsewhere, once for all that needs the database.
        _log.warning(event, exc_info=error, **fields)


async def _announcements_arrive() -> bool:
    if not (arrive := await echo_test.run()):
        _log.warning("announcements do not arrive; is there a pooler before the database?")
    return arrive


class Tabs:
    """The tabs of this instance, and the changes that they have to show."""

    def __init__(self, app: rx.App, tasks: asyncio.TaskGroup) -> None:
        self._app = app
        self._tasks = tasks
        self._changed: dict[str, None] = {}  # tabs that have to be updated, the longest wait first
        self._is_showing = False
        self._being_shown: set[str] = set()  # tabs; one whose handler takes long keeps its push waiting
        self._being_ended: set[str] = set()  # tabs that are led away
        self._places = ReadingPlaces()
        self._versions: dict[str, str] = {}
        self._credits: dict[str, Credit] = {}  # what has not been shown yet, of people who have a tab here
        self._look_sooner = Bell()
        self._store = PageStore(app)
        self._shown_away = Away.NOTHING  # The part that the pages last said is away.

    async def listen(self) -> None:
        """Act on announcements. Once listening, look for changes that were announced before."""
        try:
            async for announcement in announcements.listen():
                match announcement:
                    case Listening():
                        await self.look()
                        self._look_sooner.ring()  # The pages may still say that the database is away.
                    case SessionEnded(session_id):
                        self._end({session_id})
                        self._tasks.create_task(self._end_late_arrivals(session_id))
                    case UsersCredited(credits):
                        known = holders.known_users()
                        self._credits |= {one.user_id: one for one in credits if one.user_id in known}
                    case UsersChanged(user_ids):
                        self._queue(user_ids & holders.known_users())
        finally:
            self._look_sooner.ring()  # The database may be away, and no page says so yet.

    async def look_now_and_then(self) -> None:
        """Look regularly for changes that nobody announced, and note whether the database answers."""
        while True:
            seconds: float = LOOK_EVERY_SECONDS_WHILE_AWAY
            began = clock.now()
            try:
                async with asyncio.timeout(LOOK_WITHIN_SECONDS):
                    await self.look()
                    page_loads.note(LOOK, Away.NOTHING)
                    if not page_loads.away:
                        page_loads.current_until = moment_text(began)
                    seconds = (
                        LOOK_EVERY_SECONDS
                        if await _announcements_arrive()
                        else LOOK_EVERY_SECONDS_WITHOUT_ANNOUNCEMENTS
                    )
            except (DatabaseUnavailable, TimeoutError):
                page_loads.note(LOOK, Away.DATABASE)
            except Exception:
                page_loads.note(LOOK, Away.UPDATES)
                raise
            await self._look_sooner.wait(seconds)

    async def look_at_store(self) -> None:
        """Note regularly whether Redis answers, and have pages load again whose states it has lost."""
        while True:
            try:
                if not await self._store.has_kept():
                    _log.warning("the states of the pages are gone from Redis; the pages load again")
                    for socket_id in self._namespace().sockets:
                        page_loads.lost(socket_id)
                page_loads.note(STORE, Away.NOTHING)
            except PageStoreAway:
                page_loads.note(STORE, Away.UPDATES)
            await asyncio.sleep(_LOOK_AT_STORE_EVERY_SECONDS)

    async def load_again(self) -> None:
        """Send pages the part that is away, and ask pages whose load failed to load again."""
        while True:
            page_loads.keep_only(self._namespace().sockets)
            for socket_id, words in page_loads.take_unanswered().items():
                await self._namespace().send_away_status(socket_id, words=words)
                if page_loads.away_of(socket_id) is not Away.PAGE:
                    self._look_sooner.ring()
            if self._shown_away != page_loads.away:
                self._shown_away = page_loads.away
                _log.warning("the pages say what is away", away=self._shown_away)
                for socket_id in [*self._namespace().sockets]:
                    await self._namespace().send_away_status(socket_id)
            for socket_id in page_loads.take_due(time.monotonic(), at_once=_LOADS_AT_ONCE):
                await self._namespace().ask_to_load(socket_id)
            await page_loads.bell.wait(_ASK_TO_LOAD_EVERY_SECONDS)

    def _namespace(self) -> PageSocket:
        return cast("PageSocket", self._app.event_namespace)

    async def look(self) -> None:
        """Compare once what the tabs show with the database."""
        connected = self._connected()
        holders.keep_only(connected)
        drop_oldest_states(self._app, connected)
        shown = holders.known_sessions()
        living = await announcements.live_sessions(shown)
        self._end(shown - living.keys())
        versions = {one.viewer.user_id: one.version for one in living.values()}
        # New people may have read just before a change whose announcement was lost: update them too.
        self._credits = {user: credit for user, credit in self._credits.items() if user in versions}
        changed = {user_id for user_id, version in versions.items() if self._versions.get(user_id) != version}
        self._versions = versions
        self._queue(changed)

    def _queue(self, user_ids: Collection[str]) -> None:
        self._changed |= dict.fromkeys(t for held in holders.tabs_of_users(user_ids).values() for t in held)
        if self._changed and not self._is_showing:
            self._is_showing = True
            self._tasks.create_task(self._show_changed())

    async def _show_changed(self) -> None:
        # Tabs that are queued while others are read are read together afterwards.
        try:
            while waiting := [one for one in self._changed if one not in self._being_shown][:_READ_TOGETHER]:
                for token in waiting:
                    del self._changed[token]
                self._being_shown.update(waiting)
                await self._show_together(set(waiting))
        finally:
            self._is_showing = False

    async def _show_together(self, tokens: set[str]) -> None:
        tabs: dict[str, dict[str, Holder]] = {}
        for token in tokens:
            if (holder := holders.holder_of(token)) is not None:
                tabs.setdefault(holder.user_id, {})[token] = holder
        living: dict[str, LiveSession] = {}
        try:
            shown = {holder.session_id for held in tabs.values() for holder in held.values()}
            async with self._places.take(holds_tab=False):
                living = await announcements.live_sessions(shown)
        except Exception as error:  # noqa: BLE001  # the next look finds what this one left
            _log_unless_away("people's tabs could not be brought up to date", error)
            for user_id in tabs:
                self._versions.pop(user_id, None)
        # Somebody's pages need to know who they are, which a narrow session of theirs does not.
        by_knowledge = sorted(living.values(), key=lambda one: not isinstance(one.viewer, Payer))
        people = {one.viewer.user_id: one for one in by_knowledge}
        wallets = Wallets([one.viewer for one in people.values()])
        tabs_now = holders.tabs_of_users(people)
        for user_id, one in people.items():
            # A tab whose session has ended is led away by the task that finds that out.
            held = {token: holder for token, holder in tabs[user_id].items() if holder.session_id in living}
            # Another tab may be busy and show an older version, or have come meanwhile and read before this
            # one, so the next look has to find it.
            version = one.version if tabs_now[user_id].keys() <= tabs[user_id].keys() else None
            self._tasks.create_task(self._show_person(Latest(one.viewer, wallets), held, version))
            tokens -= held.keys()
        self._being_shown -= tokens

    async def _show_person(self, latest: Latest, tabs: Mapping[str, Holder], version: str | None) -> None:
        """Show the tabs of one person what is new, read once for all of them."""
        user_id = latest.viewer.user_id
        are_shown = await asyncio.gather(
            *(self._bring_up_to_date(token, holder.session_id, latest) for token, holder in tabs.items())
        )
        if version is not None and all(are_shown):
            self._versions[user_id] = version
        else:
            self._versions.pop(user_id, None)

    async def _bring_up_to_date(self, token: str, session_id: str, latest: Latest) -> bool:
        """Show one tab what is new, unless it has left. Returns whether the next look can leave it alone."""
        is_shown = True
        try:
            if token in self._connected():
                is_shown = await self._show(token, session_id, latest)
                if is_shown and (credit := self._credits.pop(latest.viewer.user_id, None)) is not None:
                    _note_shown(credit)
        except Exception as error:  # noqa: BLE001  # the next look finds what this one left
            is_shown = False
            _log_unless_away("somebody's tab could not be brought up to date", error)
        finally:
            self._being_shown.discard(token)
            self._queue(())  # The tab may have changed again meanwhile.
        return is_shown

    async def _show(self, token: str, session_id: str, latest: Latest) -> bool:
        """Show one tab what is new.

        Returns False where the person has changed again, or where the state is lost and the page loads first.
        """
        async with self._app.modify_state(rx.BaseStateToken(ident=token, cls=SessionState)) as state:
            if token in self._changed:
                return False  # What was read for it may be older than what its own handler has just shown.
            page = await state.get_state(SessionState)
            if not page._session_id or not page_path(page):
                # The tab has a holder of which its state knows nothing, so the state is a new one.
                self._namespace().mark_state_lost(token)
                return False
            # The tab may belong to somebody else by now, whose load reads everything; or its session may have
            # ended while this waited for the tab, and then the tab shows nothing private any more.
            is_ended = not page._is_held or token in self._being_ended
            if page._session_id != session_id or is_ended:
                return True
            async with self._places.take(holds_tab=True):
                if not await catch_up(page, latest):
                    self._namespace().mark_state_lost(token)
        _SHOWN.inc()
        return True

    def _connected(self) -> Collection[str]:
        return cast("PageSocket", self._app.event_namespace).tabs if self._app.event_namespace else ()

    def _end(self, session_ids: Collection[str]) -> None:
        # A task for each tab: a busy one must neither keep others open nor hold up the listening.
        for token in set(holders.tabs_of_sessions(session_ids)) - self._being_ended:
            self._being_ended.add(token)
            self._tasks.create_task(self._end_tab(token, session_ids))

    async def _end_late_arrivals(self, session_id: str) -> None:
        # A session that was read just before it ended gets its holder just after the announcement.
        await asyncio.sleep(_LATE_ARRIVAL_SECONDS)
        self._end({session_id})

    async def _end_tab(self, token: str, session_ids: Collection[str]) -> None:
        try:
            if token in self._connected():
                await self._lead_to_login(token, session_ids)
            # Only now, because the holder says which socket may be reached. Somebody else may have signed in.
            if _belongs(token, session_ids):
                holders.forget(token)
        except Exception:  # noqa: BLE001  # one tab that fails must not keep the others open
            _log.exception("a tab could not be ended")  # The holder stays, so the next look tries again.
        finally:
            self._being_ended.discard(token)

    async def _lead_to_login(self, token: str, session_ids: Collection[str]) -> None:
        async with self._app.modify_state(rx.BaseStateToken(ident=token, cls=SessionState)) as state:
            if not _belongs(token, session_ids):
                return  # Somebody signed in at this tab meanwhile.
            page = await state.get_state(SessionState)
            page._forget_person()
            leave = Event.from_event_type(to_login(page))
        if self._app.event_namespace is not None:
            await self._app.event_namespace.emit_update(update=StateUpdate(events=leave), token=token)


def _note_shown(credit: Credit) -> None:
    _PUSH_SECONDS.observe(max(0.0, (clock.now() - credit.at).total_seconds()))
    trace.ended(trace.begun(credit.trace), "push", parent=credit.trace, began=credit.at)


def _belongs(token: str, session_ids: Collection[str]) -> bool:
    holder = holders.holder_of(token)
    return holder is not None and holder.session_id in session_ids
