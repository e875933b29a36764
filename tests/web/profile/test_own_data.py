"""Exporting one's data and closing the account on the profile: what it says, asks, and never does unasked."""

import psycopg
import pytest

from onramp_app.accounts import sessions
from onramp_app.domain.amounts import asset_text
from onramp_app.web.profile.own_data_state import OwnDataState
from onramp_app.web.profile.state import ProfileState
from tests.web.conftest import HOSTILE, arrive, cookie_of

HANDLERS = OwnDataState.event_handlers
LATER = "UPDATE auth_sessions SET proved_at = now() - interval '16 minutes'"


@pytest.fixture
async def ada(new_account):
    return await new_account()


@pytest.fixture
async def tab(ada, open_tab):
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    await tab.send(HANDLERS["load"])
    return tab


def _closed(database):
    with psycopg.connect(database) as owner:
        return owner.execute("SELECT count(*) FROM users WHERE closed_at IS NOT NULL").fetchone() == (1,)


async def test_the_file_is_offered_after_a_proof_only(tab, database):
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(LATER)
    await tab.send(HANDLERS["prepare"])
    assert not (await tab.state(OwnDataState)).is_ready
    assert (await tab.state(ProfileState)).needs_proof
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE auth_sessions SET proved_at = now()")
    await tab.send(HANDLERS["prepare"])
    assert (await tab.state(OwnDataState)).is_ready


async def test_what_is_left_is_said_plainly_and_keeps_the_account(tab, ada, books, database):
    await arrive(books, ada.viewer.user_id, 12)
    books.top_up(ada.viewer.user_id)
    await tab.send(HANDLERS["ask"])
    state = await tab.state(OwnDataState)
    amount = asset_text("12", "USDT")
    assert state.left == [f"You still have {amount}.", "A payment is still open."]
    assert not state.is_asked
    await tab.send(HANDLERS["close"])
    assert not _closed(database)


async def test_closing_is_asked_first_and_leads_out(tab, ada, database):
    await tab.send(HANDLERS["close"])
    assert not _closed(database), "nobody has asked yet"
    await tab.send(HANDLERS["ask"])
    await tab.send(HANDLERS["keep"])
    await tab.send(HANDLERS["close"])
    assert not _closed(database), "kept after all"
    await tab.send(HANDLERS["ask"])
    outcome = await tab.send(HANDLERS["close"])
    assert outcome.leads_to == "/login?reason=account_closed"
    assert _closed(database)
    assert await sessions.resolve_cookie_header(cookie_of(ada)) is None
    assert (await tab.send(HANDLERS["ask"])).leads_to.startswith("/login?")


async def test_closing_too_asks_who_it_is(tab, database):
    await tab.send(HANDLERS["ask"])
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(LATER)
    await tab.send(HANDLERS["close"])
    assert (await tab.state(ProfileState)).needs_proof
    assert not _closed(database)


@pytest.mark.parametrize(
    ("change", "words"), [("frozen_at = now()", "is frozen"), ("role = 'operator'", "operator's account")]
)
async def test_why_an_account_cannot_be_closed_is_said(tab, database, change, words):
    await tab.send(HANDLERS["ask"])
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f"UPDATE users SET {change}".encode())
    await tab.send(HANDLERS["close"])
    assert words in (await tab.state(OwnDataState)).problem
    assert not _closed(database)


@pytest.mark.parametrize("name", ["prepare", "ask", "keep", "close", "load"])
async def test_hostile_arguments_are_refused_or_change_nothing(tab, database, name):
    for argument in HOSTILE:
        with pytest.raises(TypeError):
            await tab.send(HANDLERS[name], argument)
    assert not _closed(database)
