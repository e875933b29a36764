"""Refresh tokens: two honest tabs keep working, and a theft ends the session for thief and owner."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime

import httpx
import psycopg
import pytest

from onramp_app.accounts import program_sessions, tokens
from onramp_app.accounts.program_sessions import ProgramSession
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import RefreshToken, User
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from tests.people import Person

NewPerson = Callable[..., Awaitable[Person]]
SIZES = [pytest.param(6, id="short"), pytest.param(500, id="full", marks=pytest.mark.full)]


@pytest.fixture
async def new_program(client: httpx.AsyncClient, ada: Person) -> Callable[[], Awaitable[ProgramSession]]:
    """A function that opens another session for Ada, without the cost of a password."""

    async def make() -> ProgramSession:
        async with transaction() as db:
            user = await db.get_one(User, ada.id)
            return await program_sessions.open_program(db, user, Client("127.0.0.1"))

    return make


def _families(database: str, session_id: str) -> tuple[int, str | None]:
    """Return how many refresh tokens of a session are unspent, and why it ended, if it has."""
    with psycopg.connect(database) as owner:
        return owner.execute(
            "SELECT count(*) FILTER (WHERE t.used_at IS NULL), max(s.end_reason) FROM auth_sessions s"
            " JOIN refresh_tokens t ON t.session_id = s.id WHERE s.id = %s",
            (session_id,),
        ).fetchone()


async def _refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/auth/refresh", json={"refresh_token": token})


async def _is_alive(client: httpx.AsyncClient, access_token: str) -> bool:
    answer = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {access_token}"})
    return answer.status_code == 200


def _assert_refused(answer: httpx.Response, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (401, code), answer.text


def _let_pass(database: str, seconds: int) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => %s)", (seconds,))


async def test_a_refresh_gives_a_new_pair_and_keeps_the_session(
    client: httpx.AsyncClient, ada: Person
) -> None:
    answer = await _refresh(client, ada.refresh_token)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    pair = answer.json()
    assert set(pair) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert pair["refresh_token"] != ada.refresh_token
    assert pair["access_token"] != ada.access_token
    assert await _is_alive(client, pair["access_token"])
    answer = await _refresh(client, pair["refresh_token"])
    assert answer.status_code == 200
    sessions = await client.get("/api/auth/sessions", headers=ada.headers)
    assert len(sessions.json()["items"]) == 1


async def test_tabs_that_refresh_at_once_get_the_same_pair_and_all_go_on(
    client: httpx.AsyncClient, new_person: NewPerson
) -> None:
    for _ in range(5):
        person = await new_person()
        answers = await asyncio.gather(*(_refresh(client, person.refresh_token) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        assert len({answer.json()["access_token"] for answer in answers}) == 1
        pair = answers[0].json()
        assert await _is_alive(client, pair["access_token"])
        assert (await _refresh(client, pair["refresh_token"])).status_code == 200


async def test_a_token_sent_again_within_ten_seconds_gets_the_same_successor(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    first = (await _refresh(client, ada.refresh_token)).json()
    _let_pass(database, 9)
    second = await _refresh(client, ada.refresh_token)
    assert second.json()["refresh_token"] == first["refresh_token"]
    assert second.json()["access_token"] != first["access_token"] or second.json()["expires_in"] <= 600
    assert await _is_alive(client, second.json()["access_token"])


async def test_a_token_sent_again_later_ends_the_session(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    pair = (await _refresh(client, ada.refresh_token)).json()
    _let_pass(database, 11)
    _assert_refused(await _refresh(client, ada.refresh_token), "refresh_token_reused")
    assert not await _is_alive(client, pair["access_token"])
    assert not await _is_alive(client, ada.access_token)
    _assert_refused(await _refresh(client, pair["refresh_token"]), "unauthenticated")
    _assert_refused(await _refresh(client, ada.refresh_token), "refresh_token_reused")


async def test_a_token_whose_successor_was_used_ends_the_session_even_at_once(
    client: httpx.AsyncClient, new_person: NewPerson
) -> None:
    for _ in range(5):
        person = await new_person()
        stolen = person.refresh_token
        second = (await _refresh(client, person.refresh_token)).json()
        third = (await _refresh(client, second["refresh_token"])).json()
        assert await _is_alive(client, third["access_token"])  # the control: up to here all is well
        _assert_refused(await _refresh(client, stolen), "refresh_token_reused")
        assert not await _is_alive(client, third["access_token"])
        _assert_refused(await _refresh(client, third["refresh_token"]), "unauthenticated")


NewProgram = Callable[[], Awaitable[ProgramSession]]


@pytest.mark.parametrize("trials", SIZES)
async def test_two_honest_holders_who_race_both_go_on_in_one_family(
    client: httpx.AsyncClient, new_program: NewProgram, database: str, trials: int
) -> None:
    for _ in range(trials):
        program = await new_program()
        first, second = await asyncio.gather(*(_refresh(client, program.refresh_token) for _ in range(2)))
        assert (first.status_code, second.status_code) == (200, 200)
        # Both use their new token, again at once: it is the same token, so neither is taken for a thief.
        third, fourth = await asyncio.gather(
            *(_refresh(client, answer.json()["refresh_token"]) for answer in (first, second))
        )
        assert third.json()["refresh_token"] == fourth.json()["refresh_token"]
        assert await _is_alive(client, fourth.json()["access_token"])
        assert _families(database, program.viewer.session_id) == (1, None)


@pytest.mark.parametrize("trials", SIZES)
async def test_each_theft_revokes_the_family(
    client: httpx.AsyncClient, new_program: NewProgram, database: str, trials: int
) -> None:
    for number in range(trials):
        program = await new_program()
        owner = (await _refresh(client, program.refresh_token)).json()
        newest = (await _refresh(client, owner["refresh_token"])).json()
        # Half of the thieves use the first token; half race the owner's next refresh with the second.
        if number % 2:
            answers = [await _refresh(client, program.refresh_token)]
        else:
            await _refresh(client, newest["refresh_token"])
            answers = await asyncio.gather(
                _refresh(client, owner["refresh_token"]), _refresh(client, program.refresh_token)
            )
        for answer in answers:
            _assert_refused(answer, "refresh_token_reused")
        assert not await _is_alive(client, newest["access_token"])
        assert _families(database, program.viewer.session_id) == (1, "refresh_token_reused")


async def test_a_theft_is_noticed_by_the_use_of_the_successor_alone(
    client: httpx.AsyncClient, new_program: NewProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: judged only by its age, a token stolen within ten seconds would be accepted."""

    async def only_by_age(_db: object, token: RefreshToken, _text: str, now: datetime) -> bool:
        return token.used_at is not None and now - token.used_at > program_sessions.REFRESH_REPEAT

    monkeypatch.setattr(program_sessions, "_is_theft", only_by_age)
    program = await new_program()
    owner = (await _refresh(client, program.refresh_token)).json()
    await _refresh(client, owner["refresh_token"])
    assert (await _refresh(client, program.refresh_token)).status_code == 200


async def test_a_theft_ends_the_one_session_and_no_other(
    client: httpx.AsyncClient, ada: Person, new_person: NewPerson, database: str
) -> None:
    bo = await new_person()
    await _refresh(client, ada.refresh_token)
    _let_pass(database, 60)
    _assert_refused(await _refresh(client, ada.refresh_token), "refresh_token_reused")
    assert await _is_alive(client, bo.access_token)
    assert (await _refresh(client, bo.refresh_token)).status_code == 200


async def test_without_the_row_lock_simultaneous_tabs_do_not_get_one_successor(
    client: httpx.AsyncClient, ada: Person
) -> None:
    """The control: reading without the lock lets two requests spend one token with two salts."""
    salts = [b"a" * 32, b"b" * 32]
    barrier = asyncio.Barrier(2)

    async def spend(salt: bytes) -> str | None:
        async with transaction() as db:
            row = await db.get(RefreshToken, tokens.refresh_token_hash(ada.refresh_token))
            assert row is not None
            await barrier.wait()
            if row.used_at is not None:
                return None
            row.used_at, row.successor_salt = clock.now(), salt
            return tokens.successor_of(ada.refresh_token, salt)

    assert len(set(await asyncio.gather(*(spend(salt) for salt in salts)))) == 2


async def test_an_unknown_or_wrong_kind_of_token_is_refused(client: httpx.AsyncClient, ada: Person) -> None:
    for token in ("x", tokens.new_refresh_token(), ada.refresh_token + "x", "é", "\0"):
        _assert_refused(await _refresh(client, token), "unauthenticated")
    assert (await _refresh(client, ada.access_token)).status_code == 422  # longer than any refresh token
    assert not await _is_alive(client, ada.refresh_token)


async def test_a_change_of_the_secret_key_between_two_refreshes_changes_no_successor(
    client: httpx.AsyncClient, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await _refresh(client, ada.refresh_token)).json()
    old_key = get_settings().secret_key.get_secret_value()
    monkeypatch.setenv("SECRET_KEY", "n" * 48)
    monkeypatch.setenv("SECRET_KEY_PREVIOUS", old_key)
    get_settings.cache_clear()
    again = (await _refresh(client, ada.refresh_token)).json()
    assert again["refresh_token"] == first["refresh_token"]
    assert await _is_alive(client, first["access_token"])
    assert await _is_alive(client, again["access_token"])
    assert (await _refresh(client, again["refresh_token"])).status_code == 200


async def test_the_database_holds_no_token_and_no_password(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    pair = (await _refresh(client, ada.refresh_token)).json()
    with psycopg.connect(database) as owner:
        rows = [
            str(owner.execute(f"SELECT * FROM {table}").fetchall())
            for table in ("users", "auth_sessions", "refresh_tokens")
        ]
    assert "@example.com" in rows[0]
    for secret in (ada.refresh_token, ada.access_token, pair["refresh_token"], "violet-harbour"):
        assert not any(secret in row for row in rows)
    assert re.search(r"argon2id", rows[0])


async def test_a_session_is_refreshed_thirty_times_a_minute_and_others_are_not_held_up(
    client: httpx.AsyncClient, ada: Person, new_person: NewPerson
) -> None:
    token = ada.refresh_token
    for _ in range(30):
        answer = await _refresh(client, token)
        assert answer.status_code == 200, answer.text
        token = answer.json()["refresh_token"]
    answer = await _refresh(client, token)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    bob = await new_person()
    assert (await _refresh(client, bob.refresh_token)).status_code == 200
