"""Only a person's actions keep a session alive: an abandoned page that keeps reconnecting does not."""

import psycopg
import pytest
from reflex.utils.format import format_event_handler

from onramp_app.accounts import sessions
from onramp_app.accounts.sessions import BrowserSession, Client
from onramp_app.web.profile.state import ProfileState
from tests.people import sign_up
from tests.served import Instance
from tests.sockets import ON_LOAD, TabSocket

HYDRATED = '"is_hydrated_rx_state_": true'


@pytest.fixture
async def session(instance: Instance) -> BrowserSession:
    return await sign_up(sessions.open_browser, Client("127.0.0.1"))


def _idle(instance: Instance, session: BrowserSession, minutes: int) -> None:
    statement = "UPDATE auth_sessions SET last_seen_at = now() - make_interval(mins => %s) WHERE id = %s"
    with psycopg.connect(instance.database, autocommit=True) as owner:
        assert owner.execute(statement, (minutes, session.viewer.session_id)).rowcount == 1


def _idle_minutes(instance: Instance, session: BrowserSession) -> int:
    query = "SELECT round(extract(epoch FROM now() - last_seen_at) / 60) FROM auth_sessions WHERE id = %s"
    with psycopg.connect(instance.database) as owner:
        return int(owner.execute(query, (session.viewer.session_id,)).fetchone()[0])


async def _tab(instance: Instance, session: BrowserSession) -> TabSocket:
    one_and_the_same = session.viewer.session_id
    tab = await TabSocket.open(instance.url, cookie=f"session={session.cookie_value}", token=one_and_the_same)
    await tab.open_page("/profile")
    return tab


async def test_connecting_again_and_what_it_loads_keep_no_session_alive(instance, session):
    _idle(instance, session, 20)
    for _ in range(3):
        await (await _tab(instance, session)).close()
    assert _idle_minutes(instance, session) == 20


@pytest.mark.parametrize(
    ("event", "payload", "answer"),
    [
        (ON_LOAD, {}, HYDRATED),
        (
            format_event_handler(ProfileState.event_handlers["save_details"]),
            {"form": {"display_name": "Ada"}},
            "details_saved",
        ),
    ],
    ids=["another page", "a form"],
)
async def test_what_a_person_does_keeps_it_alive(instance, session, *, event, payload, answer):
    """The control for the test above."""
    tab = await _tab(instance, session)
    _idle(instance, session, 20)
    await tab.emit(event, path="/profile", **payload)
    await tab.read_until(answer)
    await tab.close()
    assert _idle_minutes(instance, session) == 0


async def test_an_abandoned_page_is_led_away_after_thirty_minutes(instance, session):
    tab = await _tab(instance, session)
    _idle(instance, session, 29)
    await tab.close()
    tab = await _tab(instance, session)  # the laptop woke up, and nobody is at it
    _idle(instance, session, 31)
    await tab.read_until('"/login?reason=session_ended')
    await tab.close()
