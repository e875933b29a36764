"""The profile's handlers: what they save, what they say, and that nobody else's data changes."""

import psycopg
import pytest

from onramp_app.accounts import accounts, sessions
from onramp_app.mail.words import Choice
from onramp_app.sign_in import sign_in
from onramp_app.web.profile.state import ProfileState
from onramp_app.web.tabs.session import SessionState
from tests.people import PASSWORD
from tests.web.conftest import BROWSER, HOSTILE, cookie_of

HANDLERS = ProfileState.event_handlers
DETAILS = {"display_name": "Ada", "country": "BR", "display_currency": "BRL", "language": "en"}


@pytest.fixture
async def ada(new_account):
    return await new_account()


@pytest.fixture
async def tab(ada, open_tab):
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    await tab.send(HANDLERS["load"])
    return tab


async def test_saved_details_show_at_once(tab):
    await tab.send(HANDLERS["save_details"], DETAILS)
    page, profile = await tab.state(SessionState), await tab.state(ProfileState)
    assert (page.person.display_name, page.person.initials, page.person.country) == ("Ada", "A", "BR")
    assert profile.details_saved


async def test_a_name_that_cannot_be_used_is_said_at_the_field_and_nothing_is_saved(tab):
    await tab.send(HANDLERS["save_details"], {**DETAILS, "display_name": "x" * 81})
    page, profile = await tab.state(SessionState), await tab.state(ProfileState)
    assert profile.name_problem
    assert not profile.details_saved
    assert page.person.country == "IN"


async def test_a_country_that_is_none_is_said(tab):
    await tab.send(HANDLERS["save_details"], {**DETAILS, "country": "ZZ"})
    assert (await tab.state(ProfileState)).details_problem


async def test_people_choose_which_notices_they_get(tab, ada):
    await tab.send(HANDLERS["save_mails"], {"money_added": "on", "failed_payments": "on"})
    profile = await tab.state(ProfileState)
    assert (profile.gets_money_added, profile.gets_reviews, profile.mails_saved) == (True, False, True)
    assert await accounts.wanted_mails(ada.viewer) == {Choice.MONEY_ADDED, Choice.FAILED_PAYMENTS}
    await tab.send(HANDLERS["load"])
    assert not (await tab.state(ProfileState)).gets_reviews


async def test_a_changed_password_ends_the_other_sessions_only(tab, ada, another_session):
    other = await another_session(ada)
    form = {"current_password": PASSWORD, "new_password": "another calm evening 7"}
    await tab.send(HANDLERS["change_password"], form)
    profile = await tab.state(ProfileState)
    assert profile.password_changed
    assert [line.is_current for line in profile.session_lines] == [True]
    assert await sessions.resolve_cookie_header(cookie_of(ada))
    assert not await sessions.resolve_cookie_header(cookie_of(other))
    await sign_in.sign_in(ada.viewer.email, "another calm evening 7", BROWSER, sessions.open_browser)


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("wrong password", "another calm evening 7", "current_password_problem"),
        (PASSWORD, "password1", "new_password_problem"),
        (PASSWORD, "short", "new_password_problem"),
        ("", "", "current_password_problem"),
    ],
)
async def test_a_refused_password_is_said_at_its_field(tab, *, current, new, field):
    await tab.send(HANDLERS["change_password"], {"current_password": current, "new_password": new})
    profile = await tab.state(ProfileState)
    assert getattr(profile, field)
    assert not profile.password_changed


async def test_passwords_are_guessed_ten_times_and_then_not(tab):
    form = {"current_password": "wrong password", "new_password": "another calm evening 7"}
    for _ in range(11):
        await tab.send(HANDLERS["change_password"], form)
    assert "Too many" in (await tab.state(ProfileState)).current_password_problem


async def test_another_session_is_ended_and_leaves_the_list(tab, ada, another_session):
    other = await another_session(ada)
    await tab.send(HANDLERS["end_session"], other.viewer.session_id)
    assert not await sessions.resolve_cookie_header(cookie_of(other))
    assert len((await tab.state(ProfileState)).session_lines) == 1


async def test_deeds_are_recorded_with_the_address_of_the_socket(tab, ada, another_session, database):
    other = await another_session(ada)
    await tab.send(HANDLERS["end_session"], other.viewer.session_id)
    form = {"current_password": PASSWORD, "new_password": "another calm evening 7"}
    await tab.send(HANDLERS["change_password"], form)
    with psycopg.connect(database) as owner:
        lines = owner.execute("SELECT action, address FROM audit_log ORDER BY at, id").fetchall()
    assert lines[-2:] == [("session.ended", "203.0.113.7"), ("account.password_changed", "203.0.113.7")]


async def test_ending_the_own_session_leads_to_the_login(tab, ada):
    assert (await tab.send(HANDLERS["end_session"], ada.viewer.session_id)).leads_to.startswith("/login?")


async def test_somebody_elses_session_goes_on(tab, new_account):
    eve = await new_account("Eve")
    await tab.send(HANDLERS["end_session"], eve.viewer.session_id)
    assert await sessions.resolve_cookie_header(cookie_of(eve))


@pytest.mark.parametrize("name", ["save_details", "change_password", "end_session"])
async def test_hostile_arguments_change_nothing(tab, ada, name):
    for argument in (*HOSTILE, {"display_name": {"a": []}}):
        await tab.send(HANDLERS[name], argument)
    viewer = await sessions.resolve_cookie_header(cookie_of(ada))
    assert viewer == ada.viewer
    await sign_in.sign_in(ada.viewer.email, PASSWORD, BROWSER, sessions.open_browser)


async def test_half_of_a_surrogate_pair_counts_as_nothing_typed(tab):
    half = "violet-harbour-\ud800"
    await tab.send(HANDLERS["save_details"], {**DETAILS, "country": half})
    assert (await tab.state(ProfileState)).details_saved
    await tab.send(HANDLERS["change_password"], {"current_password": half, "new_password": half})
    assert (await tab.state(ProfileState)).current_password_problem
    await tab.send(HANDLERS["change_password"], {"current_password": PASSWORD, "new_password": half})
    assert (await tab.state(ProfileState)).new_password_problem


async def test_the_profile_tells_the_account_id_that_operators_ask_for(tab, ada):
    assert (await tab.state(ProfileState)).account_id == ada.viewer.user_id
