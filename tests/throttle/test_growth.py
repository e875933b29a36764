"""Strangers can make the database grow only within bounds; `test_local_counts` covers counters."""

import dataclasses
import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest

from onramp_app import idempotency
from onramp_app.accounts import accounts, program_sessions, sessions
from onramp_app.accounts.program_sessions import ProgramSession
from onramp_app.accounts.sessions import Client
from onramp_app.domain import clock
from onramp_app.domain.errors import InvalidCredentials, RateLimited, RefreshTokenReused
from onramp_app.ledger import audit
from onramp_app.running import retention
from onramp_app.sign_in import sign_in
from onramp_app.throttle import throttle
from tests.people import PASSWORD, sign_up


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one address sign in as often as it likes."""
    monkeypatch.setattr(throttle, "SIGN_IN_FROM_ADDRESS", ())


@pytest.fixture
async def person(database: str) -> ProgramSession:
    assert database
    return await sign_up(program_sessions.open_program, Client("203.0.113.7"))


def _count(owner: psycopg.Connection[Any], table: str, where: str = "true") -> int:
    row = owner.execute(f"SELECT count(*) FROM {table} WHERE {where}".encode()).fetchone()
    assert row is not None
    return int(row[0])


async def _sign_in(person: ProgramSession) -> sessions.BrowserSession:
    return await sign_in.sign_in(person.viewer.email, PASSWORD, Client("203.0.113.7"), sessions.open_browser)


async def test_forms_without_a_device_cookie_leave_few_lines_that_stay(
    person: ProgramSession, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "OWN_A_DAY", 3)
    for _ in range(6):
        await _sign_in(person)
    assert _count(owner, "audit_log", "action = 'account.new_device'") == 3
    assert _count(owner, "auth_sessions", "kind = 'browser'") == 6, "the sessions tell of the others"
    tomorrow = clock.now() + audit.timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: tomorrow)
    await _sign_in(person)
    assert _count(owner, "audit_log", "action = 'account.new_device'") == 4


async def _end_one(person: ProgramSession) -> None:
    opened = await _sign_in(person)
    await sessions.end_session(person.viewer.user_id, opened.viewer.session_id)


async def _reuse_a_token(person: ProgramSession) -> None:
    opened = await sign_in.sign_in(
        person.viewer.email, PASSWORD, Client("203.0.113.7"), program_sessions.open_program
    )
    second = await program_sessions.refresh(opened.refresh_token)
    await program_sessions.refresh(second.refresh_token)
    with pytest.raises(RefreshTokenReused):
        await program_sessions.refresh(opened.refresh_token)


@pytest.mark.parametrize(
    ("deed", "action"), [(_end_one, "session.ended"), (_reuse_a_token, "session.refresh_token_reused")]
)
async def test_what_a_person_does_to_their_own_sessions_leaves_few_lines_too(
    person: ProgramSession,
    owner: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    deed: Callable[[ProgramSession], Awaitable[None]],
    action: str,
) -> None:
    monkeypatch.setattr(audit, "OWN_A_DAY", 2)
    for _ in range(4):
        await deed(person)
    assert _count(owner, "audit_log", f"action = '{action}'") == 2


async def test_an_account_has_so_many_sessions_and_loses_the_oldest(
    person: ProgramSession, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_KEPT", 4)
    opened = [await _sign_in(person) for _ in range(6)]
    kept = {row[0] for row in owner.execute("SELECT id FROM auth_sessions")}
    assert kept == {one.viewer.session_id for one in opened[-4:]}
    with pytest.raises(sessions.Unauthenticated):
        await program_sessions.resolve_bearer(person.access_token)


async def test_a_password_is_not_changed_without_end(
    person: ProgramSession, owner: psycopg.Connection[Any]
) -> None:
    most = throttle.CHANGE_PASSWORD[0].amount
    for _ in range(most):
        await accounts.change_password(person.viewer, PASSWORD, new_password=PASSWORD)
    with pytest.raises(RateLimited):
        await accounts.change_password(person.viewer, PASSWORD, new_password=PASSWORD)
    assert _count(owner, "audit_log", "action = 'account.password_changed'") == most


async def test_who_guesses_in_a_stolen_session_takes_none_of_the_owners_changes(
    person: ProgramSession,
) -> None:
    most = throttle.CHANGE_PASSWORD[0].amount
    for _ in range(most):
        stolen = dataclasses.replace(person.viewer, session_id=secrets.token_hex(8))
        with pytest.raises(InvalidCredentials):
            await accounts.change_password(stolen, "a guess", new_password="marble-teapot-92")
    await accounts.change_password(person.viewer, PASSWORD, new_password="marble-teapot-92")


async def test_of_refusals_under_a_key_the_newest_are_kept_and_of_successes_all(
    person: ProgramSession, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "MAX_REFUSALS", 3)
    user_id = person.viewer.user_id
    for number, status in enumerate([201, *[409] * 6]):
        claim = await idempotency.claim(user_id, f"key-{number}", request_hash=b"h" * 32)
        assert isinstance(claim, idempotency.Claim)
        await idempotency.keep_refusal(claim, idempotency.KeptAnswer(status, "{}"))
    kept = owner.execute("SELECT key FROM idempotency_keys ORDER BY key").fetchall()
    assert kept == [("key-0",), ("key-4",), ("key-5",), ("key-6",)]


async def test_refresh_tokens_that_were_spent_long_ago_go(
    person: ProgramSession, owner: psycopg.Connection[Any]
) -> None:
    second = await program_sessions.refresh(person.refresh_token)
    await program_sessions.refresh(second.refresh_token)
    owner.execute("UPDATE refresh_tokens SET used_at = now() - interval '91 days' WHERE used_at IS NOT NULL")
    assert await retention.purge() == {"refresh_tokens": 2}
    assert _count(owner, "refresh_tokens") == 1, "the one that is not spent"
    assert _count(owner, "auth_sessions") == 1


@pytest.mark.parametrize(("rules", "a_day"), [("TOP_UP", 500), ("REFRESH", 1_000), ("CHANGE_PASSWORD", 50)])
def test_what_leaves_rows_that_stay_is_limited_by_the_day(rules: str, a_day: int) -> None:
    assert a_day in [rule.amount for rule in getattr(throttle, rules) if rule.get_expiry() == 86_400]
