"""Recovering an account from a thief who has added a passkey to it through a stolen session."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from onramp_app.db.engine import transaction
from onramp_app.factors import passkeys, resets
from onramp_app.recovery.requests import answer_some
from tests import rows
from tests.factors.authenticator import SoftPasskey, code_of
from tests.mailed import secret_in
from tests.people import Person

NEW = "another calm evening 7"


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE users SET email_confirmed_at = now()")
        yield owner


async def _post(
    client: httpx.AsyncClient, path: str, person: Person | None = None, **body: Any
) -> httpx.Response:
    return await client.post(f"/api/auth/{path}", json=body, headers=person.headers if person else {})


async def _add_passkey(client: httpx.AsyncClient, person: Person) -> SoftPasskey:
    passkey = SoftPasskey()
    options = (await _post(client, "factors/passkeys/options", person)).json()
    added = await _post(client, "factors/passkeys", person, credential=passkey.create(options), name="Phone")
    assert added.status_code == 201, added.text
    return passkey


async def _signs_in_by(client: httpx.AsyncClient, passkey: SoftPasskey) -> bool:
    answer = json.dumps(passkey.get(json.loads(passkeys.request_options())))
    where = (await client.post("/api/auth/session", data={"passkey": answer})).headers["location"]
    assert where == "/home" or "reason=passkey_refused" in where
    return where == "/home"


async def _lock(client: httpx.AsyncClient, owner: psycopg.Connection[Any], person: Person) -> None:
    secret = secret_in(owner, "factors_changed", to=person.email)
    assert (await _post(client, "secure", token=secret)).status_code == 204


async def _ask_reset(owner: psycopg.Connection[Any], person: Person) -> None:
    operator = rows.user(owner, role="operator")
    async with transaction() as db:
        assert await resets.ask(db, person.id, asked_by=operator)


def _let_a_day_pass(owner: psycopg.Connection[Any]) -> None:
    owner.execute(
        "UPDATE factor_resets SET asked_at = asked_at - %s, due_at = due_at - %s", (timedelta(days=1),) * 2
    )


async def _set_password(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], person: Person, **code: str
) -> httpx.Response:
    await _post(client, "password/forgot", email=person.email)
    await answer_some()
    link = secret_in(owner, "reset_password", to=person.email)
    return await _post(client, "password/reset", token=link, new_password=NEW, **code)


async def test_a_thiefs_passkey_signs_in_no_more_after_this_wasnt_me(
    client: httpx.AsyncClient, ada: Person, owner: psycopg.Connection[Any]
) -> None:
    thief = await _add_passkey(client, ada)
    assert await _signs_in_by(client, thief), "the control: before that"
    await _lock(client, owner, ada)
    assert not await _signs_in_by(client, thief)
    assert (await client.get("/api/auth/me", headers=ada.headers)).status_code == 401


async def test_a_thiefs_passkey_does_not_stop_the_operators_help(
    client: httpx.AsyncClient, ada: Person, owner: psycopg.Connection[Any]
) -> None:
    thief = await _add_passkey(client, ada)
    await _lock(client, owner, ada)
    await _ask_reset(owner, ada)
    assert not await _signs_in_by(client, thief)
    _let_a_day_pass(owner)
    assert not await _signs_in_by(client, thief)
    assert (await _set_password(client, owner, ada)).status_code == 204
    assert not await _signs_in_by(client, thief), "it is gone"
    login = await _post(client, "login", email=ada.email, password=NEW)
    assert login.status_code == 200, login.text


async def test_a_thief_of_the_mailbox_gains_nothing_by_locking_the_account(
    client: httpx.AsyncClient, ada: Person, owner: psycopg.Connection[Any]
) -> None:
    begun = (await _post(client, "factors/totp", ada)).json()
    await _post(client, "factors/totp/confirm", ada, code=code_of(begun["secret"]))
    passkey = await _add_passkey(client, ada)
    await _lock(client, owner, ada)
    refused = await _set_password(client, owner, ada)
    assert refused.json()["code"] == "otp_required"
    assert not await _signs_in_by(client, passkey)
    code = code_of(begun["secret"], steps=1)
    assert (await _set_password(client, owner, ada, otp=code)).status_code == 204
    assert await _signs_in_by(client, passkey), "the owner has it still"


async def test_a_removal_that_is_due_is_done_before_a_passkey_could_stop_it(
    client: httpx.AsyncClient, ada: Person, owner: psycopg.Connection[Any]
) -> None:
    passkey = await _add_passkey(client, ada)
    await _ask_reset(owner, ada)
    _let_a_day_pass(owner)
    assert not await _signs_in_by(client, passkey)
    assert owner.execute("SELECT is_done FROM factor_resets").fetchall() == [(True,)]
    assert owner.execute("SELECT count(*) FROM passkeys").fetchone() == (0,)


async def test_control_a_passkey_stops_a_removal_within_its_day(
    client: httpx.AsyncClient, ada: Person, owner: psycopg.Connection[Any]
) -> None:
    passkey = await _add_passkey(client, ada)
    await _ask_reset(owner, ada)
    assert await _signs_in_by(client, passkey)
    assert owner.execute("SELECT is_done FROM factor_resets").fetchall() == [(False,)]
