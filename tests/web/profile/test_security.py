"""Devices and security activity on the profile: every event in words, IP addresses, paging of both lists."""

from datetime import datetime

import psycopg
import pytest

from onramp_app import texts
from onramp_app.accounts import program_sessions, sessions
from onramp_app.accounts.security_events import KINDS
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.words import EndReason, SecurityEventKind
from onramp_app.domain import clock
from onramp_app.ledger.audit import Act
from onramp_app.sign_in import sign_in
from onramp_app.web.profile.security_words import device_name, place_text, what_happened
from onramp_app.web.profile.state import ProfileState
from tests.people import PASSWORD
from tests.web.conftest import cookie_of

PROGRAM = Client(address="10.0.0.4", user_agent="ledger-sync/2.1")
MANY_SESSIONS = """
INSERT INTO auth_sessions (id, user_id, kind, device, address, created_at, last_seen_at, expires_at)
SELECT lpad(to_hex(n), 32, '0'), %s, 'program', 'script', '198.51.100.1', at, at, at + interval '1 hour'
  FROM generate_series(1, 80) n, LATERAL (SELECT now() - n * interval '1 hour' AS at) moments
"""
HANDLERS = ProfileState.event_handlers
# These acts have no line: nobody could read it, no account is affected, or the ended session's row says it.
NO_LINE = {
    Act.ACCOUNT_CREATED,
    Act.ACCOUNT_CLOSED,
    Act.TREASURY_ADDRESSES,
    Act.SESSION_ENDED,
    Act.REFRESH_TOKEN_REUSED,
    Act.CLAIM_MAILED,
    Act.API_KEY_REFUSED,
}
# For these reasons a separate line says why the session ended; a renewed session continues.
COVERED = {EndReason.PASSWORD_CHANGED, EndReason.ROLE_CHANGED, EndReason.FACTORS_CHANGED, EndReason.RENEWED}


@pytest.fixture
async def ada(new_account):
    return await new_account()


@pytest.fixture
async def tab(ada, open_tab):
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    await tab.send(HANDLERS["load"])
    return tab


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_event_has_words_of_its_own(language):
    with texts.language_of_texts(language):
        words = [what_happened(kind) for kind in SecurityEventKind]
    assert all(words)
    assert len(set(words)) == len(SecurityEventKind)


def test_every_deed_and_every_end_of_a_session_is_an_event_or_left_out_for_a_reason():
    assert {Act(word) for word in KINDS if word in set(Act)} == set(Act) - NO_LINE
    assert {EndReason(word) for word in KINDS if word in set(EndReason)} == set(EndReason) - COVERED
    assert set(KINDS.values()) == set(SecurityEventKind)


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537.36 Edg/140",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19 Safari/604", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/140 Safari/537.36", "Chrome on Android"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("", "Unknown device"),
    ],
)
def test_a_device_is_named_in_words(user_agent, words):
    assert device_name(user_agent) == words


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("203.0.113.7", "203.0.113.7 (the network you're on now)"),
        ("203.0.113.8", "203.0.113.8"),
        ("127.0.0.1", "127.0.0.1 (the computer that runs this wallet)"),
        ("::1", "::1 (the computer that runs this wallet)"),
        ("192.168.1.4", "192.168.1.4 (a private network)"),
        ("fd00::4", "fd00::4 (a private network)"),
        ("100.64.3.4", "100.64.3.4 (shared by many customers of one internet provider)"),
        ("2001:db8::4", "2001:db8::4"),
        ("", ""),
        ("{address}", "{address}"),
    ],
)
def test_an_address_says_what_it_says_alone(address, words):
    assert place_text(address, here="203.0.113.7") == words


def test_a_network_of_ipv6_is_known_again_whatever_the_device():
    assert place_text("2001:db8::1:4", here="2001:db8::7").endswith("(the network you're on now)")
    assert place_text("2001:db8:0:1::4", here="2001:db8::7") == "2001:db8:0:1::4"


async def test_all_others_are_ended_at_once_and_nobody_elses(tab, ada, another_session, new_account):
    others, eve = [await another_session(ada) for _ in range(2)], await new_account("Eve")
    await tab.send(HANDLERS["end_other_sessions"])
    assert [await sessions.resolve_cookie_header(cookie_of(other)) for other in others] == [None, None]
    assert await sessions.resolve_cookie_header(cookie_of(eve))
    (line,) = (await tab.state(ProfileState)).session_lines
    assert (line.is_current, line.place) == (True, "203.0.113.7 (the network you're on now)")


async def test_all_are_ended_at_once_the_own_one_too(tab, ada, another_session, new_account):
    other, eve = await another_session(ada), await new_account("Eve")
    assert (await tab.send(HANDLERS["end_all_sessions"])).leads_to == "/login?reason=signed_out"
    assert [await sessions.resolve_cookie_header(cookie_of(one)) for one in (ada, other)] == [None, None]
    assert await sessions.resolve_cookie_header(cookie_of(eve))


async def test_a_program_is_called_one_and_devices_say_when_they_were_last_used(tab, ada):
    await sign_in.sign_in(ada.viewer.email, PASSWORD, PROGRAM, program_sessions.open_program)
    await tab.send(HANDLERS["load"])
    this, program = (await tab.state(ProfileState)).session_lines
    assert (this.device, this.is_current) == ("Firefox on Linux", True)
    assert (program.device, program.place) == ("ledger-sync (app or program)", "10.0.0.4 (a private network)")
    assert all(datetime.fromisoformat(line.used_at) <= clock.now() for line in (this, program))


async def test_security_activity_is_in_words_with_device_and_address(tab, ada, another_session):
    await another_session(ada)
    form = {"current_password": PASSWORD, "new_password": "a calm evening 7"}
    await tab.send(HANDLERS["change_password"], form)
    await tab.send(HANDLERS["load"])
    lines = (await tab.state(ProfileState)).security_lines
    assert [line.what for line in lines] == ["Password changed", "Signed in on a new device", "Signed in"]
    assert all(line.where == "Firefox on Linux · 203.0.113.7 (the network you're on now)" for line in lines)
    assert all(datetime.fromisoformat(line.at) <= clock.now() for line in lines)


async def test_older_events_come_below_and_a_full_tab_goes_on_with_them_alone(
    tab, ada, database, monkeypatch
):
    monkeypatch.setattr("onramp_app.web.profile.state._MOST_EVENTS", 40)
    with psycopg.connect(database) as owner:
        owner.execute(MANY_SESSIONS, (ada.viewer.user_id,))
    await tab.send(HANDLERS["load"])
    profile = await tab.state(ProfileState)
    pages = [[line.at for line in profile.security_lines]]
    while profile.has_older_events:
        await tab.send(HANDLERS["show_older_events"])
        pages.append([line.at for line in profile.security_lines])
    assert [len(page) for page in pages] == [10, 30, 20, 40, 11]
    assert profile.is_later_part
    everything = [*pages[1], *pages[3], *pages[4]]
    assert everything == sorted(set(everything), reverse=True), "none is missing or shown twice"
    await tab.send(HANDLERS["show_newest_events"])
    assert [line.at for line in profile.security_lines] == pages[0]
    assert not profile.is_later_part


async def test_what_happened_to_others_is_not_shown(tab, new_account):
    await new_account("Eve")
    await tab.send(HANDLERS["load"])
    assert len((await tab.state(ProfileState)).security_lines) == 1
