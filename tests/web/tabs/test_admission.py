"""A tab's state belongs to one session, and the session's row is checked for every event."""

import json
from datetime import timedelta

import psycopg
import pytest
from limits import RateLimitItemPerMinute
from reflex.state import FrontendEventExceptionState, OnLoadInternalState, State, UpdateVarsInternalState
from reflex.utils.format import json_dumps

from onramp_app.accounts import sessions
from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.domain import clock
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.entrance.state import EntranceState
from onramp_app.web.profile.state import ProfileState
from onramp_app.web.tabs import admission, holders
from onramp_app.web.tabs.session import PrivateState, SessionState
from onramp_app.web.tabs.shapes import NOBODY
from tests.web.conftest import cookie_of

LOAD = ProfileState.event_handlers["load"]
ENTER = PrivateState.event_handlers["enter"]
SAVE = ProfileState.event_handlers["save_details"]
NAVIGATE = OnLoadInternalState.event_handlers["on_load_internal"]
QUOTE_ENDED = WizardState.event_handlers["refresh"]
_AUTOMATIC = (
    State.event_handlers["hydrate"],
    State.event_handlers["hydrate_and_load"],
    UpdateVarsInternalState.event_handlers["update_vars_internal"],
    FrontendEventExceptionState.event_handlers["handle_frontend_exception"],
)
PROPOSE = EntranceState.event_handlers["propose_currency"]


async def test_nobody_is_led_to_the_login_and_back(database, open_tab):
    tab = open_tab(path="/profile?tab=2")
    await tab.hydrate()
    outcome = await tab.send(ENTER)
    assert not outcome.went_on
    assert outcome.leads_to == "/login?reason=session_ended&next=%2Fprofile%3Ftab%3D2"


async def test_a_public_event_goes_on_for_nobody(database, open_tab):
    tab = open_tab(path="/register")
    await tab.hydrate()
    assert (await tab.send(PROPOSE, "IN")).went_on
    assert (await tab.state(EntranceState)).display_currency == "INR"


async def test_hydration_binds_the_tab_to_its_session(new_account, open_tab):
    session = await new_account()
    tab = open_tab(cookie_of(session))
    await tab.hydrate()
    page = await tab.state(SessionState)
    assert (page.is_signed_in, page.person.initials, page.person.country) == (True, "AK", "IN")
    assert holders.tabs_of_sessions({session.viewer.session_id}) == [tab.token]


async def test_nothing_secret_reaches_the_page(new_account, open_tab):
    session = await new_account()
    tab = open_tab(cookie_of(session))
    sent = json_dumps((await tab.hydrate()).delta)  # as Reflex sends it
    assert "Ada King" in sent
    for secret in (session.cookie_value, session.viewer.session_id, session.viewer.user_id):
        assert secret not in sent


async def test_a_stolen_token_shows_nothing_and_is_reset(new_account, open_tab):
    ada, eve = await new_account("Ada King"), await new_account("Eve")
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    await tab.send(LOAD)
    tab.connect(cookie_of(eve))
    outcome = await tab.send(LOAD)
    assert not outcome.went_on
    assert ada.viewer.email not in json.dumps(outcome.delta, default=str)
    assert (await tab.state(ProfileState)).session_lines == []
    await tab.hydrate()
    assert (await tab.state(SessionState)).person.email == eve.viewer.email


async def test_a_stolen_token_without_a_session_shows_nothing(new_account, open_tab):
    ada = await new_account("Ada King")
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    await tab.send(LOAD)
    tab.connect("")
    sent = json.dumps((await tab.hydrate()).delta, default=str)
    assert ada.viewer.email not in sent
    assert (await tab.state(ProfileState)).session_lines == []


async def test_without_the_middleware_a_stolen_token_would_show_everything(new_account, open_tab):
    """The control for the two tests above."""
    ada = await new_account("Ada King")
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    tab.connect("")
    assert ada.viewer.email in json.dumps(tab.root.dict(), default=str)


async def test_an_ended_session_ends_the_tab_at_its_next_event(new_account, open_tab):
    ada = await new_account()
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    await tab.send(LOAD)
    await sessions.end_session(ada.viewer.user_id, ada.viewer.session_id)
    outcome = await tab.send(LOAD)
    assert not outcome.went_on
    assert outcome.leads_to.startswith("/login?")
    assert outcome.delta, "what was reset is sent, so that the page empties"
    assert (await tab.state(SessionState)).person == NOBODY
    assert (await tab.state(ProfileState)).session_lines == []


async def test_an_event_for_anybody_that_finds_the_session_ended_leads_away_too(new_account, open_tab):
    """A tab that was dropped is never looked at again. The last event of an opening page is a public one."""
    ada = await new_account()
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    await sessions.end_session(ada.viewer.user_id, ada.viewer.session_id)
    outcome = await tab.send(PROPOSE, "IN")
    assert not outcome.went_on
    assert outcome.leads_to.startswith("/login?")
    assert holders.tabs_of_sessions({ada.viewer.session_id}) == []
    assert (await tab.send(PROPOSE, "IN")).went_on, "now it is nobody's tab"


async def test_a_handler_asks_for_itself_who_it_works_for(new_account, open_tab):
    ada = await new_account()
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    await sessions.end_session(ada.viewer.user_id, ada.viewer.session_id)
    outcome = await tab.call(LOAD)
    assert outcome.leads_to.startswith("/login?")
    assert (await tab.state(ProfileState)).session_lines == []


async def test_a_database_that_is_away_is_said_calmly_and_shows_nothing(new_account, open_tab, monkeypatch):
    ada = await new_account()
    bound, fresh = open_tab(cookie_of(ada)), open_tab(cookie_of(ada))
    await bound.hydrate()
    working = get_settings()
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/away")
    await engine.dispose()
    get_settings.cache_clear()

    outcome = await bound.send(LOAD)
    assert not outcome.went_on
    assert "database" in (await bound.state(SessionState)).notice
    assert (await bound.state(SessionState)).is_signed_in, "what was shown stays"
    assert (await fresh.hydrate()).went_on, "the page opens"
    assert not (await fresh.state(SessionState)).is_signed_in

    monkeypatch.setenv("DATABASE_URL", working.database_url.get_secret_value())
    await engine.dispose()
    get_settings.cache_clear()
    assert (await bound.send(LOAD)).went_on
    assert (await bound.state(SessionState)).notice == ""


async def test_too_many_events_of_one_person_do_not_hold_up_another(new_account, open_tab, monkeypatch):
    monkeypatch.setattr(admission, "EVENTS", (RateLimitItemPerMinute(3, namespace="event-test"),))
    ada, bob = await new_account(), await new_account("Bob")
    tabs = [open_tab(cookie_of(ada)) for _ in range(5)]
    went_on = [(await tab.hydrate()).went_on and (await tab.send(ENTER)).went_on for tab in tabs]
    assert went_on == [True, False, False, False, False]
    assert "a lot at once" in (await tabs[-1].state(SessionState)).notice
    other = open_tab(cookie_of(bob))
    await other.hydrate()
    assert (await other.send(ENTER)).went_on


async def test_events_above_the_limit_do_not_reach_the_database(new_account, open_tab, monkeypatch):
    monkeypatch.setattr(admission, "EVENTS", (RateLimitItemPerMinute(2, namespace="event-test"),))
    tab = open_tab(cookie_of(await new_account()))
    await tab.hydrate()
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/away")
    await engine.dispose()
    get_settings.cache_clear()
    await tab.send(ENTER)
    assert "database" in (await tab.state(SessionState)).notice, "the control: this one was asked for"
    await tab.send(ENTER)
    assert "a lot at once" in (await tab.state(SessionState)).notice


async def test_the_cookie_of_an_ended_session_does_not_use_up_its_owners_events(
    new_account, another_session, open_tab, monkeypatch
):
    monkeypatch.setattr(admission, "EVENTS", (RateLimitItemPerMinute(3, namespace="event-test"),))
    stolen = await new_account()
    owned = await another_session(stolen)
    await sessions.end_session(stolen.viewer.user_id, stolen.viewer.session_id)
    thief = open_tab(cookie_of(stolen), address="198.51.100.2")
    for _ in range(5):
        await thief.send(ENTER)
    tab = open_tab(cookie_of(owned))
    await tab.hydrate()
    assert (await tab.send(ENTER)).went_on


async def test_nobodys_events_are_counted_by_address(database, open_tab, monkeypatch):
    monkeypatch.setattr(admission, "EVENTS", (RateLimitItemPerMinute(2, namespace="event-test"),))
    went_on = [(await open_tab(path="/register").send(PROPOSE, "IN")).went_on for _ in range(3)]
    assert went_on == [True, True, False]
    assert (await open_tab(path="/register", address="198.51.100.2").send(PROPOSE, "IN")).went_on


@pytest.mark.parametrize("header", ["session=", "session=abc", "session=a.b.c", f"session={'x' * 5000}"])
async def test_a_cookie_that_is_none_is_nobody(database, open_tab, header):
    tab = open_tab(header)
    await tab.hydrate()
    assert not (await tab.send(ENTER)).went_on


def _idle_for(database: str, minutes: int) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE auth_sessions SET last_seen_at = now() - make_interval(mins => %s)", (minutes,))


def _is_fresh(database: str) -> bool:
    with psycopg.connect(database) as owner:
        query = "SELECT bool_and(last_seen_at > now() - interval '1 minute') FROM auth_sessions"
        return bool(owner.execute(query).fetchone()[0])


async def test_only_what_a_person_does_counts_against_the_idle_time(new_account, open_tab, database):
    tab = open_tab(cookie_of(await new_account()))
    await tab.hydrate()
    by_itself = [(handler, None) for handler in (*_AUTOMATIC, QUOTE_ENDED)]
    caused = [(LOAD, "the hydration"), (NAVIGATE, "the hydration"), (SAVE, "another event")]
    for handler, cause in [*by_itself, *caused]:
        _idle_for(database, 20)
        await tab.preprocess(handler, cause=cause)
        assert not _is_fresh(database), handler
    for handler in (NAVIGATE, SAVE, LOAD):
        _idle_for(database, 20)
        await tab.preprocess(handler)
        assert _is_fresh(database), handler


async def test_if_everything_counted_a_page_would_keep_its_session_for_hours(
    new_account, open_tab, database, monkeypatch
):
    """The control for the test above."""
    monkeypatch.setattr(admission, "_is_by_person", lambda _event: True)
    tab = open_tab(cookie_of(await new_account()))
    _idle_for(database, 20)
    await tab.hydrate()
    assert _is_fresh(database)


async def test_an_open_tab_outlives_the_ten_minutes_of_an_access_token(new_account, open_tab, monkeypatch):
    tab = open_tab(cookie_of(await new_account()))
    await tab.hydrate()
    later = clock.now() + timedelta(minutes=11)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert (await tab.send(SAVE, {"display_name": "Ada"})).went_on
    much_later = later + timedelta(minutes=31)
    monkeypatch.setattr(clock, "now", lambda: much_later)
    refused = await tab.send(LOAD)  # the control: it does end
    assert (refused.went_on, (refused.leads_to or "").partition("?")[0]) == (False, "/login")
