"""The tabs of an instance are pushed changes, and their session's end, whatever fails in the meantime."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisConnectionError

from onramp_app.accounts import sessions
from onramp_app.domain import clock
from onramp_app.fleet import changed_people
from onramp_app.fleet.changed_people import Credit
from onramp_app.fleet.echo import ECHO_CHANNEL
from onramp_app.telemetry import trace
from onramp_app.telemetry.trace import Span
from onramp_app.wallet import home
from onramp_app.web.home.state import HomeState
from onramp_app.web.tabs import holders, push
from onramp_app.web.tabs.holders import Holder
from onramp_app.web.tabs.session import SessionState
from tests.fleet.live_money import credit
from tests.web.conftest import Tab, another_session, cookie_of, new_account, open_tab

__all__ = ["another_session", "new_account", "open_tab"]

# Finds the backend once it listens to its last channel.
HEARD_BY = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE application_name = 'onramp_app announcements' AND datname = current_database()"
    f" AND state = 'idle' AND query IN ('LISTEN {ECHO_CHANNEL}', 'SELECT 1')"
)
# One immediately, one when it starts to listen, and one as pages may still say that updates are off.
LOOKS_AT_START = 3
END_UNANNOUNCED = "UPDATE auth_sessions SET revoked_at = now(), end_reason = 'signed_out'"


class FakeApp:
    """A stub of Reflex's application for pushes: the connected tabs, their states, what was sent to them.

    The next `faults` accesses to the connections fail, as do the next `faults_of_states` to a state.
    """

    def __init__(self) -> None:
        self.tabs: dict[str, Tab] = {}
        self.updated: list[str] = []
        self.lost: list[str] = []  # tabs that were asked to reload
        self.state_manager = None
        self.faults = 0
        self.faults_of_states = 0
        self.busy: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # held by a handler

    @property
    def event_namespace(self) -> Any:
        if self.faults:
            self.faults -= 1
            raise RuntimeError("a fault")
        return SimpleNamespace(
            tabs=self.tabs, sockets=(), emit_update=self._emit, mark_state_lost=self.lost.append
        )

    async def _emit(self, *, update: object, token: str) -> None:
        self.updated.append(token)

    @contextlib.asynccontextmanager
    async def modify_state(self, token: Any) -> AsyncIterator[Any]:
        if self.faults_of_states:
            self.faults_of_states -= 1
            raise RedisConnectionError("away")
        async with self.busy[token.ident]:
            yield self.tabs[token.ident].root


@pytest.fixture
async def app(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeApp]:
    """A stub application whose push loops run, listen, and have finished their initial looks."""
    app = FakeApp()
    looks: list[push.Tabs] = []
    look = push.Tabs.look

    async def look_and_note(tabs: push.Tabs) -> None:
        await look(tabs)
        looks.append(tabs)

    monkeypatch.setattr(push.Tabs, "look", look_and_note)
    task = asyncio.create_task(push.keep_tabs_current(app))  # type: ignore[arg-type]
    await _until(lambda: _is_soon(lambda: len(looks) >= LOOKS_AT_START))
    yield app
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _until(found: Callable[[], Any]) -> None:
    async with asyncio.timeout(8):
        while not await found():  # noqa: ASYNC110  # a database has nothing to await
            await asyncio.sleep(0.05)


async def _told(app: FakeApp, tab: Tab) -> None:
    async def is_told() -> bool:
        return app.updated == [tab.token]

    await _until(is_told)
    assert not (await tab.state(SessionState)).is_signed_in


@pytest.fixture
def never_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn the regular look off, so that only announcements are pushed."""
    monkeypatch.setattr(push, "LOOK_EVERY_SECONDS", 3600)


@pytest.fixture
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "LOOK_EVERY_SECONDS", 0.1)


async def _open(app: FakeApp, session: sessions.BrowserSession, path: str = "/profile") -> Tab:
    tab = Tab(cookie_of(session), path=path)
    # Registered first, as a socket connects before it sends events: a look drops tabs that are unconnected.
    app.tabs[tab.token] = tab
    await tab.hydrate()
    return tab


async def _amount(tab: Tab) -> list[str]:
    return [row.amount for row in (await tab.state(HomeState)).assets]


async def _shows(tab: Tab, amount: str) -> None:
    async def is_shown() -> bool:
        return await _amount(tab) == [amount]

    await _until(is_shown)


async def test_every_tab_of_a_person_is_brought_up_to_date_and_nobody_elses(
    never_look, app, database, new_account, another_session
):
    session = await new_account()
    tabs = [await _open(app, session, "/home"), await _open(app, await another_session(session), "/home")]
    elsewhere = await _open(app, session, "/profile")
    stranger = await _open(app, await new_account(), "/home")
    for number in (1, 2):
        await credit(database, session.viewer.user_id, announced=True)
        for tab in tabs:
            await _shows(tab, f"{number}.00")
    assert (await _amount(elsewhere), await _amount(stranger)) == ([], [])


async def test_a_change_that_nobody_announced_is_found_by_looking(look_often, app, database, new_account):
    session = await new_account()
    tab = await _open(app, session, "/home")
    await credit(database, session.viewer.user_id, announced=False)
    await _shows(tab, "1.00")


async def test_what_was_told_is_not_told_again_by_looking(database, new_account):
    app = FakeApp()
    session = await new_account()
    tab = await _open(app, session, "/home")
    numbers = []
    async with asyncio.TaskGroup() as tasks:
        tabs = push.Tabs(app, tasks)  # type: ignore[arg-type]

        async def shown_after(announced: bool) -> None:
            before = _shown()
            await credit(database, session.viewer.user_id, announced=False)
            if announced:
                tabs._queue({session.viewer.user_id})
                await _shows(tab, f"{len(numbers) + 1}.00")
            await tabs.look()
            await _shows(tab, f"{len(numbers) + 1}.00")
            await asyncio.sleep(0.2)
            numbers.append(_shown() - before)

        for announced in (True, True, False):
            await shown_after(announced)
    assert numbers == [1, 1, 1]


async def test_who_changed_together_is_read_together_and_shown_their_own(
    database, new_account, monkeypatch: pytest.MonkeyPatch
):
    app = FakeApp()
    people = [await new_account() for _ in range(3)]
    tabs_of_people = [await _open(app, one, "/home") for one in people]
    for number, one in enumerate(people):
        for _ in range(number + 1):
            await credit(database, one.viewer.user_id, announced=False)
    read_at_once = []
    monkeypatch.setattr(home, "_read", _noting(home._read, read_at_once))
    async with asyncio.TaskGroup() as tasks:
        push.Tabs(app, tasks)._queue({one.viewer.user_id for one in people})  # type: ignore[arg-type]
    assert [await _amount(tab) for tab in tabs_of_people] == [["1.00"], ["2.00"], ["3.00"]]
    assert read_at_once == [3]


def _noting(read: Callable[[Any], Any], numbers: list[int]) -> Callable[[Any], Any]:
    async def noting(viewers: Any) -> Any:
        numbers.append(len(viewers))
        return await read(viewers)

    return noting


async def test_a_busy_tab_holds_up_no_other_tab_of_its_person(never_look, app, database, new_account):
    session = await new_account()
    busy, free = await _open(app, session, "/home"), await _open(app, session, "/home")
    shown = _shown()
    async with app.busy[busy.token]:
        for total in ("1.00", "2.00", "3.00"):
            await credit(database, session.viewer.user_id, announced=True)
            await _shows(free, total)
        assert await _amount(busy) == []
    await _shows(busy, "3.00")
    # Three times the free tab, and the busy one once it is free, which is shown nothing older before.
    await asyncio.sleep(0.5)
    assert _shown() - shown == 3 + 1


async def test_a_tab_whose_state_is_gone_loads_again_and_is_not_taken_for_told(database, new_account):
    """As after a flush of Redis: Reflex creates a new, empty state for the token."""
    app = FakeApp()
    session = await new_account()
    tab = await _open(app, session, "/home")
    async with asyncio.TaskGroup() as tasks:
        tabs = push.Tabs(app, tasks)  # type: ignore[arg-type]
        tab.lose_state()
        await tabs.look()
        await _until(lambda: _is_soon(lambda: app.lost == [tab.token]))
        tab.connect(cookie_of(session), path="/home")
        await tab.hydrate()
        await credit(database, session.viewer.user_id, announced=False)
        await tabs.look()
        await _shows(tab, "1.00")


async def _is_soon(found: Callable[[], bool]) -> bool:
    return found()


async def test_the_control_without_looking_it_is_not_found(never_look, app, database, new_account):
    session = await new_account()
    tab = await _open(app, session, "/home")
    await credit(database, session.viewer.user_id, announced=False)
    await asyncio.sleep(1)
    assert await _amount(tab) == []


async def test_a_tab_whose_session_has_ended_is_shown_nothing_more(never_look, app, database, new_account):
    session = await new_account()
    tab = await _open(app, session, "/home")
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(END_UNANNOUNCED)
    await credit(database, session.viewer.user_id, announced=True)
    await asyncio.sleep(1)
    assert await _amount(tab) == []


async def test_a_tab_that_is_busy_holds_up_nobody_else(never_look, app, database, new_account):
    slow, quick = await new_account(), await new_account()
    busy, free = await _open(app, slow, "/home"), await _open(app, quick, "/home")
    async with app.busy[busy.token]:
        await credit(database, slow.viewer.user_id, announced=True)
        await credit(database, quick.viewer.user_id, announced=True)
        await _shows(free, "1.00")
        assert await _amount(busy) == []
    await _shows(busy, "1.00")


async def test_a_session_that_ends_while_nobody_listens_is_found_at_the_next_listening(
    never_look, app, database, new_account
):
    session = await new_account()
    tab = await _open(app, session)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(END_UNANNOUNCED)
        listener = owner.execute(HEARD_BY).fetchone()[0]
        assert owner.execute("SELECT pg_terminate_backend(%s)", (listener,)).fetchone() == (True,)
    await _told(app, tab)


async def test_listening_goes_on_after_any_fault(never_look, app, new_account, another_session):
    first = await new_account()
    second = await another_session(first)
    tab = await _open(app, second)
    holders.remember("gone", Holder(first.viewer.session_id, first.viewer.user_id, "socket"))
    app.faults = 1
    await sessions.end_session(first.viewer.user_id, first.viewer.session_id)
    await asyncio.sleep(0.3)
    assert app.faults == 0
    await sessions.end_session(second.viewer.user_id, second.viewer.session_id)
    await _told(app, tab)


async def test_looking_goes_on_after_any_fault(look_often, app, database, new_account):
    session = await new_account()
    tab = await _open(app, session)
    app.faults = 3
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(END_UNANNOUNCED)
    await _told(app, tab)
    assert app.faults == 0


async def test_a_tab_that_could_not_be_led_away_is_led_away_at_the_next_look(look_often, app, new_account):
    """The tab's state may be in a Redis that is down."""
    session = await new_account()
    tab = await _open(app, session)
    app.faults_of_states = 2
    await sessions.end_session(session.viewer.user_id, session.viewer.session_id)
    await _told(app, tab)
    assert app.faults_of_states == 0


async def test_a_session_that_ends_while_its_tab_is_being_admitted_is_not_overlooked(
    never_look, app, new_account, monkeypatch
):
    """The row was read just before it ended; the announcement arrives before the tab is on the list."""
    session = await new_account()
    resolve = sessions.resolve_cookie_header

    async def resolve_and_end(cookie_header: str, *, by_person: bool = False) -> Any:
        viewer = await resolve(cookie_header, by_person=by_person)
        monkeypatch.setattr(sessions, "resolve_cookie_header", resolve)
        await sessions.end_session(viewer.user_id, viewer.session_id)
        await asyncio.sleep(0.2)
        return viewer

    monkeypatch.setattr(sessions, "resolve_cookie_header", resolve_and_end)
    began = time.monotonic()
    await _told(app, await _open(app, session))
    assert time.monotonic() - began < 1.5


async def test_a_busy_tab_keeps_no_other_open(never_look, app, new_account):
    mine, other = await new_account(), await new_account()
    busy, tab = await _open(app, mine), await _open(app, other)
    async with app.busy[busy.token]:
        await sessions.end_session(mine.viewer.user_id, mine.viewer.session_id)
        await sessions.end_session(other.viewer.user_id, other.viewer.session_id)
        await _told(app, tab)


async def test_whoever_signs_in_on_a_busy_tab_of_an_ended_session_stays(never_look, app, new_account):
    before, after = await new_account(), await new_account()
    tab = await _open(app, before)
    async with app.busy[tab.token]:
        await sessions.end_session(before.viewer.user_id, before.viewer.session_id)
        await asyncio.sleep(0.3)
        tab.connect(cookie_of(after))
        await tab.hydrate()
    await asyncio.sleep(0.1)
    page = await tab.state(SessionState)
    assert (app.updated, page.person.email) == ([], after.viewer.email)
    assert holders.holder_of(tab.token).session_id == after.viewer.session_id


@pytest.mark.parametrize("ends", [False, True])
async def test_what_waits_for_a_busy_tab_is_not_shown_there_after_its_session(
    never_look, app, new_account, *, ends
):
    session = await new_account()
    tab = await _open(app, session)
    await asyncio.sleep(0.3)
    shown = _shown()
    async with app.busy[tab.token]:
        changed_people.announce_changes([session.viewer.user_id])
        await asyncio.sleep(0.5)
        if ends:
            await sessions.end_session(session.viewer.user_id, session.viewer.session_id)
            await asyncio.sleep(0.3)
    await asyncio.sleep(0.5)
    assert _shown() - shown == (0 if ends else 1)


def _shown() -> float:
    return REGISTRY.get_sample_value("tabs_brought_up_to_date_total") or 0


async def test_how_long_a_credit_takes_to_its_page_is_measured_and_ends_its_trace(
    never_look, app, new_account
):
    session = await new_account()
    await _open(app, session, "/home")
    spans: list[Span] = []
    trace.add_sink(spans.append)
    before = REGISTRY.get_sample_value("push_seconds_count") or 0
    credited = [
        Credit(user_id, trace.begun(), clock.now() - timedelta(seconds=1))
        for user_id in (session.viewer.user_id, "f" * 32)  # somebody else, who has no page here
    ]
    changed_people.announce_changes([one.user_id for one in credited], credited)

    async def is_shown() -> bool:
        return bool(spans)

    await _until(is_shown)
    trace.remove_sink(spans.append)
    ((name, shown, parent),) = ((span.name, span.trace.trace_id, span.parent_id) for span in spans)
    assert (name, shown, parent) == ("push", credited[0].trace.trace_id, credited[0].trace.span_id)
    assert REGISTRY.get_sample_value("push_seconds_count") == before + 1
