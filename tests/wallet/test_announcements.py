"""Ended sessions and changed people are announced immediately, and found by a query if that was missed."""

import asyncio
import contextlib
from datetime import timedelta

import psycopg
import pytest

from onramp_app.accounts import accounts, sessions
from onramp_app.accounts.sessions import BrowserSession, Client
from onramp_app.accounts.words import EndReason
from onramp_app.domain import clock
from onramp_app.fleet import changed_people
from onramp_app.fleet.echo import EchoTest, echo_test
from onramp_app.sign_in import sign_in
from onramp_app.wallet import announcements
from onramp_app.wallet.announcements import Announcement, Listening, SessionEnded, UsersChanged
from tests.people import PASSWORD, sign_up


@pytest.fixture
async def session(database: str) -> BrowserSession:
    return await sign_up(sessions.open_browser, Client("127.0.0.1"))


@pytest.fixture
async def heard(database: str):
    """A queue of the announcements, in order."""
    announced: asyncio.Queue[Announcement] = asyncio.Queue()

    async def listen() -> None:
        async for announcement in announcements.listen():
            announced.put_nowait(announcement)

    task = asyncio.create_task(listen())
    assert await asyncio.wait_for(announced.get(), 5) == Listening()
    yield announced
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_each_way_to_end_a_session_is_announced(session, heard):
    client = Client("127.0.0.1")
    second = await sign_in.sign_in(session.viewer.email, PASSWORD, client, sessions.open_browser)
    third = await sign_in.sign_in(session.viewer.email, PASSWORD, client, sessions.open_browser)
    await sessions.end_session(session.viewer.user_id, second.viewer.session_id)
    assert await asyncio.wait_for(heard.get(), 2) == SessionEnded(second.viewer.session_id)
    await sessions.end_cookie_session(f"session={third.cookie_value}")
    assert await asyncio.wait_for(heard.get(), 2) == SessionEnded(third.viewer.session_id)
    fourth = await sign_in.sign_in(session.viewer.email, PASSWORD, client, sessions.open_browser)
    await accounts.change_password(session.viewer, PASSWORD, new_password="another calm evening 7")
    assert await asyncio.wait_for(heard.get(), 2) == SessionEnded(fourth.viewer.session_id)
    assert heard.empty(), "the session that changed the password goes on"


async def test_a_session_that_ends_twice_is_announced_once(session, heard):
    await sessions.end_session(session.viewer.user_id, session.viewer.session_id)
    await sessions.end_cookie_session(f"session={session.cookie_value}")
    assert await asyncio.wait_for(heard.get(), 2) == SessionEnded(session.viewer.session_id)
    await asyncio.sleep(0.1)
    assert heard.empty()


async def test_changed_people_are_announced(heard):
    changed_people.announce_changes(["ada", "bo"])
    changed_people.announce_changes(["ada"])
    assert await asyncio.wait_for(heard.get(), 2) == UsersChanged(frozenset({"ada", "bo"}))


async def test_a_process_that_hears_is_distinguished_from_one_that_does_not(heard, monkeypatch):
    monkeypatch.setattr(echo_test, "is_well", None)
    assert await echo_test.run()
    assert echo_test.is_well
    deaf = EchoTest(wait_seconds=0.3)  # The listener answers the process's own test only, as behind a pooler.
    assert not await deaf.run()
    assert deaf.is_well is False


@pytest.mark.parametrize("after", [timedelta(minutes=31), timedelta(hours=13)])
async def test_sessions_that_ended_by_age_are_not_among_the_living(session, monkeypatch, after):
    ids = {session.viewer.session_id}
    living = await announcements.live_sessions(ids)
    assert [(name, one.viewer) for name, one in living.items()] == [
        (session.viewer.session_id, session.viewer)
    ]
    later = clock.now() + after
    monkeypatch.setattr(clock, "now", lambda: later)
    assert await announcements.live_sessions(ids) == {}


async def test_revoked_and_unknown_sessions_are_not_among_the_living(session):
    other = await sign_in.sign_in(session.viewer.email, PASSWORD, Client("127.0.0.1"), sessions.open_browser)
    await sessions.end_session(
        session.viewer.user_id, other.viewer.session_id, reason=EndReason.PASSWORD_CHANGED
    )
    asked = {session.viewer.session_id, other.viewer.session_id, "unknown"}
    assert set(await announcements.live_sessions(asked)) == {session.viewer.session_id}


async def test_asking_does_not_count_as_use_of_the_session(session, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE auth_sessions SET last_seen_at = last_seen_at - interval '20 minutes'")
        before = connection.execute("SELECT last_seen_at FROM auth_sessions").fetchone()
        await announcements.live_sessions({session.viewer.session_id})
        assert connection.execute("SELECT last_seen_at FROM auth_sessions").fetchone() == before
