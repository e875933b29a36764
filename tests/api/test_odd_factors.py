"""Odd authenticator responses, and concurrent requests about factors, all get a proper refusal."""

import asyncio
import json
from typing import Any

import httpx
import psycopg
import pytest

from onramp_app.factors import passkeys
from tests.factors.authenticator import SoftPasskey
from tests.mailed import mailed
from tests.people import Person

ODD = {
    "a key that is a list": {"public": [1, 2, 3, 4]},
    "a key that is a text": {"public": "key"},
    "a key without an algorithm": {"public": {}},
    "a key that is too long": {"public": {1: 3, 3: -257, -1: b"n" * 3000, -2: bytes((1, 0, 1))}},
    "a statement that is a list": {"format": "packed", "statement": []},
    "a statement of a phone that says nothing": {"format": "android-safetynet", "statement": {"ver": 1}},
    "a statement of a phone with a text": {
        "format": "android-safetynet",
        "statement": {"ver": 1, "response": "text"},
    },
    "a chain of certificates that is a number": {
        "format": "fido-u2f",
        "statement": {"x5c": [7], "sig": b"x"},
    },
    "a format that is a number": {"format": 7},
}


async def _add(
    client: httpx.AsyncClient, person: Person, passkey: SoftPasskey, **bent: Any
) -> httpx.Response:
    options = (await client.post("/api/auth/factors/passkeys/options", headers=person.headers)).json()
    body = {"credential": passkey.create(options, **bent), "name": "Phone"}
    return await client.post("/api/auth/factors/passkeys", headers=person.headers, json=body)


@pytest.mark.parametrize("bent", ODD.values(), ids=ODD)
async def test_an_answer_that_the_library_stumbles_over_is_refused(
    client: httpx.AsyncClient, ada: Person, bent: dict[str, Any]
) -> None:
    answer = await _add(client, ada, SoftPasskey(), **bent)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")


@pytest.mark.parametrize(("length", "status"), [(1023, 201), (1024, 401), (4000, 401)])
async def test_a_name_of_a_passkey_has_at_most_1023_bytes(
    client: httpx.AsyncClient, ada: Person, length: int, status: int
) -> None:
    answer = await _add(client, ada, SoftPasskey(credential_id=b"x" * length))
    assert answer.status_code == status, answer.text


async def test_an_app_that_is_begun_in_several_tabs_at_once_is_begun(
    client: httpx.AsyncClient, ada: Person
) -> None:
    begun = await asyncio.gather(
        *(client.post("/api/auth/factors/totp", headers=ada.headers) for _ in range(6))
    )
    assert [one.status_code for one in begun] == [200] * 6


async def test_a_passkey_that_signs_in_while_it_is_removed_locks_nothing_in_a_circle(
    client: httpx.AsyncClient, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    passkey = SoftPasskey()
    added = (await _add(client, ada, passkey)).json()
    real, is_proved = passkeys.prove, asyncio.Event()

    async def slow(db: Any, answer: str) -> str:
        user_id = await real(db, answer)
        is_proved.set()
        await asyncio.sleep(0.2)  # By now the removal is waiting for a lock.
        return user_id

    monkeypatch.setattr(passkeys, "prove", slow)
    answer = json.dumps(passkey.get(json.loads(passkeys.request_options())))

    async def remove() -> httpx.Response:
        await is_proved.wait()
        return await client.delete(f"/api/auth/factors/{added['id']}", headers=ada.headers)

    signed_in = client.post("/api/auth/session", data={"passkey": answer})
    first, second = await asyncio.gather(signed_in, remove())
    assert (first.status_code, second.status_code) == (303, 204)


async def test_the_owner_learns_by_mail_of_new_recovery_codes(
    client: httpx.AsyncClient, database: str, ada: Person
) -> None:
    assert (await _add(client, ada, SoftPasskey())).status_code == 201
    with psycopg.connect(database, autocommit=True) as owner:
        before = len(mailed(owner))
        renewed = await client.post("/api/auth/factors/recovery-codes", headers=ada.headers)
        assert renewed.status_code == 200
        assert mailed(owner)[before:] == [("factors_changed", ada.email)]
