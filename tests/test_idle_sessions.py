"""Only what a person does keeps a session: an abandoned page that reconnects again and again does not."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from reflex.utils.format import format_event_handler

from onramp_app.services import accounts, sessions
from onramp_app.services.sessions import BrowserSession, Client
from onramp_app.states.profile import ProfileState
from tests.people import PASSWORD
from tests.served import served
from tests.sockets import ON_LOAD, TabSocket

HYDRATED = '"is_hydrated_rx_state_": true'


@pytest.fixture
def url(database: str) -> Iterator[str]:
    with served(database) as url:
        yield url


@pytest.fixture
async def session(database: str) -> BrowserSession:
    registration = accounts.Registration(f"p{secrets.token_hex(5)}@example.com", PASSWORD)
    return await accounts.register(registration, Client("127.0.0.1"), sessions.open_browser)


def _idle(database: str, minutes: int) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE auth_sessions SET last_seen_at = now() - make_interval(mins => %s)", (minutes,))


def _idle_minutes(database: str) -> int:
    with psycopg.connect(database) as owner:
        query = "SELECT round(extract(epoch FROM now() - last_seen_at) / 60) FROM auth_sessions"
        return int(owner.execute(query).fetchone()[0])


async def _tab(url: str, session: BrowserSession) -> TabSocket:
    tab = await TabSocket.open(url, cookie=f"session={session.cookie_value}", token="one-and-the-same")
    await tab.open_page("/profile")
    return tab


async def test_connecting_again_and_what_it_loads_keep_no_session_alive(url, database, session):
    _idle(database, 20)
    for _ in range(3):
        await (await _tab(url, session)).close()
    assert _idle_minutes(database) == 20


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
async def test_what_a_person_does_keeps_it_alive(url, database, session, *, event, payload, answer):
    """The control of the test above."""
    tab = await _tab(url, session)
    _idle(database, 20)
    await tab.emit(event, path="/profile", **payload)
    await tab.read_until(answer)
    await tab.close()
    assert _idle_minutes(database) == 0


async def test_an_abandoned_page_is_led_away_after_thirty_minutes(url, database, session):
    tab = await _tab(url, session)
    _idle(database, 29)
    await tab.close()
    tab = await _tab(url, session)  # the laptop woke up, nobody sits before it
    _idle(database, 31)
    await tab.read_until('"/login?reason=session_ended')
    await tab.close()
