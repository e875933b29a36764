"""Second factors as a program sees them: adding, signing in, removing, and what does not work."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from onramp_app.accounts import program_sessions
from onramp_app.accounts.sessions import Client
from onramp_app.domain import clock
from onramp_app.factors import passkeys
from onramp_app.factors.errors import PasskeyRefused
from onramp_app.recovery.requests import answer_some
from onramp_app.sign_in import second_factor, sign_in
from onramp_app.throttle import throttle
from tests.factors.authenticator import SoftPasskey, code_of
from tests.mailed import mailed, secret_in
from tests.people import PASSWORD, Person

NewPerson = Callable[..., Awaitable[Person]]
CLIENT = Client("127.0.0.1", "program/1")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    real, gone = clock.now, [timedelta()]
    monkeypatch.setattr(clock, "now", lambda: real() + gone[0])

    def wait(how_long: timedelta) -> None:
        gone[0] += how_long

    return wait


async def _post(client: httpx.AsyncClient, path: str, person: Person, **body: Any) -> httpx.Response:
    return await client.post(f"/api/auth/{path}", headers=person.headers, json=body)


async def _login(client: httpx.AsyncClient, person: Person, otp: str | None = None) -> httpx.Response:
    body = {"email": person.email, "password": PASSWORD} | ({"otp": otp} if otp else {})
    return await client.post("/api/auth/login", json=body)


async def _add_app(client: httpx.AsyncClient, person: Person) -> tuple[str, list[str]]:
    begun = (await _post(client, "factors/totp", person)).json()
    confirmed = await _post(client, "factors/totp/confirm", person, code=code_of(begun["secret"]))
    assert confirmed.status_code == 200, confirmed.text
    return begun["secret"], confirmed.json()["recovery_codes"]


async def _add_passkey(client: httpx.AsyncClient, person: Person, passkey: SoftPasskey) -> dict[str, Any]:
    options = (await _post(client, "factors/passkeys/options", person)).json()
    answer = await _post(client, "factors/passkeys", person, credential=passkey.create(options), name="Phone")
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _is(answer: httpx.Response, status: int, code: str) -> bool:
    return (answer.status_code, answer.json().get("code")) == (status, code)


async def test_an_app_counts_once_it_is_confirmed_and_then_a_password_is_not_enough(
    client: httpx.AsyncClient, ada: Person, later: Callable[[timedelta], None]
) -> None:
    begun = (await _post(client, "factors/totp", ada)).json()
    assert begun["uri"].startswith("otpauth://totp/")
    assert begun["secret"] in begun["uri"]
    assert (await _login(client, ada)).status_code == 200  # not confirmed yet
    secret, codes = await _add_app(client, ada)
    assert secret != begun["secret"]
    assert len(set(codes)) == 10
    assert _is(await _login(client, ada), 401, "otp_required")
    assert _is(await _login(client, ada, "000000"), 401, "invalid_credentials")
    later(timedelta(seconds=31))
    assert (await _login(client, ada, code_of(secret))).status_code == 200
    listed = await client.get("/api/auth/factors", headers=ada.headers)
    assert [item["kind"] for item in listed.json()["items"]] == ["totp"]
    assert listed.json()["recovery_codes_left"] == 10
    assert secret not in listed.text


async def test_a_code_is_accepted_once_although_sixteen_send_it_together(
    client: httpx.AsyncClient,
    ada: Person,
    later: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret, codes = await _add_app(client, ada)
    monkeypatch.setattr(throttle, "SECOND_FACTOR", throttle._guesses("many"))
    for otp in (code_of(secret, steps=1), codes[0]):
        throttle.forget()
        known = sign_in.Known(ada.id, await _password_hash(ada))
        racers = [
            sign_in.open_known(known, CLIENT, program_sessions.open_program, code=otp) for _ in range(10)
        ]
        results = await asyncio.gather(*racers, return_exceptions=True)
        assert sum(not isinstance(result, Exception) for result in results) == 1, results
    later(timedelta(seconds=31))
    throttle.forget()
    assert _is(
        await _login(client, ada, code_of(secret, steps=-1)), 401, "invalid_credentials"
    )  # an older one


async def _password_hash(person: Person) -> str:
    async with second_factor.transaction() as db:
        return (await db.get_one(second_factor.User, person.id)).password_hash


async def test_wrong_codes_are_few_whatever_program_they_come_from(
    client: httpx.AsyncClient, ada: Person
) -> None:
    secret, _codes = await _add_app(client, ada)
    for number in range(10):
        client.headers["user-agent"] = f"program/{number}"
        assert (await _login(client, ada, "000000")).status_code == 401
    assert _is(await _login(client, ada, code_of(secret, steps=1)), 429, "rate_limited")
    events = (await client.get("/api/auth/events", headers=ada.headers)).json()["items"]
    assert [event["kind"] for event in events].count("factor_refused") == 10


async def test_recovery_codes_are_good_once_and_replaced_together(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    _secret, codes = await _add_app(client, ada)
    assert (await _login(client, ada, codes[0].lower().replace("-", " "))).status_code == 200
    assert _is(await _login(client, ada, codes[0]), 401, "invalid_credentials")
    renewed = (await _post(client, "factors/recovery-codes", ada)).json()["recovery_codes"]
    assert _is(await _login(client, ada, codes[1]), 401, "invalid_credentials")
    assert (await _login(client, ada, renewed[1])).status_code == 200
    with psycopg.connect(database) as owner:
        kept = str(
            owner.execute("SELECT r::text, a::text FROM recovery_codes r, authenticators a").fetchall()
        )
    assert not any(code in kept or code.replace("-", "") in kept for code in renewed)


async def test_factors_are_changed_only_after_a_proof_of_the_last_15_minutes(
    client: httpx.AsyncClient, ada: Person, later: Callable[[timedelta], None], database: str
) -> None:
    secret, _codes = await _add_app(client, ada)
    (factor,) = (await client.get("/api/auth/factors", headers=ada.headers)).json()["items"]
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE auth_sessions SET proved_at = proved_at - interval '16 minutes'")
    gone = f"/api/auth/factors/{factor['id']}"
    for refused in (
        await _post(client, "factors/totp", ada),
        await _post(client, "factors/totp/confirm", ada, code="123456"),
        await _post(client, "factors/passkeys/options", ada),
        await _post(client, "factors/passkeys", ada, credential={"response": {}}),
        await _post(client, "factors/recovery-codes", ada),
        await _post(client, "password", ada, current_password=PASSWORD, new_password="wholly-other-words-7"),
        await client.delete(gone, headers=ada.headers),
    ):
        assert _is(refused, 401, "recent_sign_in_required"), refused.text
    assert _is(await _post(client, "proof", ada, password=PASSWORD), 401, "otp_required")
    assert _is(await _post(client, "proof", ada, password="wrong-words-7"), 401, "invalid_credentials")
    proved = await _post(client, "proof", ada, password=PASSWORD, otp=code_of(secret, steps=1))
    assert proved.status_code == 204
    assert (await client.delete(gone, headers=ada.headers)).status_code == 204
    assert (await _login(client, ada)).status_code == 200


async def test_a_change_of_factors_ends_all_other_sessions(client: httpx.AsyncClient, ada: Person) -> None:
    other = (await _login(client, ada)).json()["access_token"]
    assert (await client.get("/api/auth/me", headers={"Authorization": f"Bearer {other}"})).status_code == 200
    await _add_app(client, ada)
    assert (await client.get("/api/auth/me", headers={"Authorization": f"Bearer {other}"})).status_code == 401
    assert (await client.get("/api/auth/me", headers=ada.headers)).status_code == 200


async def test_a_passkey_signs_in_alone_and_counts_as_a_factor(
    client: httpx.AsyncClient, ada: Person
) -> None:
    passkey = SoftPasskey()
    added = await _add_passkey(client, ada, passkey)
    assert len(added["recovery_codes"]) == 10
    assert _is(await _login(client, ada), 401, "otp_required")
    answer = json.dumps(passkey.get(json.loads(passkeys.request_options())))
    opened = await sign_in.sign_in_by_passkey(answer, CLIENT, program_sessions.open_program)
    assert opened.viewer.user_id == ada.id
    with pytest.raises(PasskeyRefused):
        await sign_in.sign_in_by_passkey(answer, CLIENT, program_sessions.open_program)
    assert (await _add_passkey(client, ada, SoftPasskey()))["recovery_codes"] == []


BENT: dict[str, Callable[[SoftPasskey], dict[str, Any]]] = {
    "another origin": lambda _: {"origin": "https://wallet.example.evil"},
    "another host": lambda _: {"host": "example.evil"},
    "nobody verified": lambda _: {"flags": 0x01},
    "nobody there": lambda _: {"flags": 0x04},
    "a copy with an old count": lambda passkey: {"count": passkey.count},
    "somebody else's handle": lambda _: {"user_handle": b"somebody else"},
    "a challenge of its own": lambda _: {"challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("what", BENT)
async def test_a_bent_answer_of_a_passkey_proves_nothing(
    client: httpx.AsyncClient, ada: Person, what: str
) -> None:
    passkey = SoftPasskey()
    await _add_passkey(client, ada, passkey)
    options = json.loads(passkeys.request_options())
    # The passkey's signature counter is above zero now, so an older assertion can be told apart.
    await sign_in.sign_in_by_passkey(
        json.dumps(passkey.get(json.loads(passkeys.request_options()))), CLIENT, program_sessions.open_program
    )
    with pytest.raises(PasskeyRefused):
        await sign_in.sign_in_by_passkey(
            json.dumps(passkey.get(options, **BENT[what](passkey))), CLIENT, program_sessions.open_program
        )
    honest = json.dumps(passkey.get(options))
    opened = await sign_in.sign_in_by_passkey(honest, CLIENT, program_sessions.open_program)
    assert opened.viewer.user_id == ada.id


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"response": {}}',
        '{"response": {"clientDataJSON": "e30"}}',
        "{" * 5000,
        "x" * 20_000,
        json.dumps({"response": {"clientDataJSON": 7}, "rawId": 7}),
        '{"response": {"clientDataJSON": "\\ud800"}}',
    ],
)
async def test_what_is_no_answer_is_refused(database: str, answer: str) -> None:
    assert database
    with pytest.raises(PasskeyRefused):
        await sign_in.sign_in_by_passkey(answer, CLIENT, program_sessions.open_program)


async def test_an_answer_to_one_challenge_is_none_to_another(
    client: httpx.AsyncClient, ada: Person, bo: Person, later: Callable[[timedelta], None]
) -> None:
    """A registration is valid only once, in time, and for its account; and it does not sign anybody in."""
    passkey = SoftPasskey()
    options = (await _post(client, "factors/passkeys/options", ada)).json()
    made = passkey.create(options)
    stolen = await _post(client, "factors/passkeys", bo, credential=made)
    assert _is(stolen, 401, "invalid_credentials")
    with pytest.raises(PasskeyRefused):
        await sign_in.sign_in_by_passkey(
            json.dumps(passkey.get(options)), CLIENT, program_sessions.open_program
        )
    assert (await _post(client, "factors/passkeys", ada, credential=made)).status_code == 201
    assert _is(await _post(client, "factors/passkeys", ada, credential=made), 401, "invalid_credentials")
    late = json.loads(passkeys.request_options())
    later(timedelta(minutes=11))
    with pytest.raises(PasskeyRefused):
        await sign_in.sign_in_by_passkey(json.dumps(passkey.get(late)), CLIENT, program_sessions.open_program)


async def test_nobody_reaches_somebody_elses_factors(
    client: httpx.AsyncClient, ada: Person, bo: Person
) -> None:
    passkey = SoftPasskey()
    added = await _add_passkey(client, ada, passkey)
    for factor_id in (added["id"], "a%00b", "x" * 3000):
        gone = await client.delete(f"/api/auth/factors/{factor_id}", headers=bo.headers)
        assert _is(gone, 404, "not_found")
    assert (await client.get("/api/auth/factors", headers=bo.headers)).json()["items"] == []
    answer = json.dumps(passkey.get(json.loads(passkeys.request_options())))
    async with second_factor.transaction() as db:
        viewer = second_factor.sessions.viewer_of(await db.get_one(second_factor.User, bo.id), "x")
    with pytest.raises(PasskeyRefused, match="another account"):
        await second_factor.prove_by_passkey(viewer, answer)


# What access to the mailbox or a stolen session alone must not allow.


async def test_a_mailbox_alone_does_not_open_what_two_factors_protect(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    secret, codes = await _add_app(client, ada)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE users SET email_confirmed_at = now()")
        await client.post("/api/auth/password/forgot", json={"email": ada.email})
        await answer_some()
        link = {"token": secret_in(owner, "reset_password", to=ada.email), "new_password": "wholly-other-7-x"}
    for otp, code in ((None, "otp_required"), ("000000", "invalid_credentials")):
        refused = await client.post("/api/auth/password/reset", json=link | ({"otp": otp} if otp else {}))
        assert _is(refused, 401, code)
    done = await client.post("/api/auth/password/reset", json=link | {"otp": codes[0]})
    assert done.status_code == 204, "the link still works for the owner"
    body = {"email": ada.email, "password": link["new_password"]}
    assert _is(await client.post("/api/auth/login", json=body), 401, "otp_required")
    answer = await client.post("/api/auth/login", json=body | {"otp": code_of(secret, steps=1)})
    assert answer.status_code == 200


async def test_the_address_moves_with_the_factor_only(client: httpx.AsyncClient, ada: Person) -> None:
    secret, _codes = await _add_app(client, ada)
    move = {"new_email": "elsewhere@example.com", "current_password": PASSWORD}
    assert _is(await _post(client, "email", ada, **move), 401, "otp_required")
    assert _is(await _post(client, "email", ada, **move, otp="000000"), 401, "invalid_credentials")
    assert (await _post(client, "email", ada, **move, otp=code_of(secret, steps=1))).status_code == 202


async def test_the_owner_is_written_to_when_factors_change(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    added = await _add_passkey(client, ada, SoftPasskey())
    await client.delete(f"/api/auth/factors/{added['id']}", headers=ada.headers)
    with psycopg.connect(database) as owner:
        assert mailed(owner)[-2:] == [("factors_changed", ada.email)] * 2
    kinds = [e["kind"] for e in (await client.get("/api/auth/events", headers=ada.headers)).json()["items"]]
    assert kinds[:2] == ["factor_removed", "factor_added"]
    assert (await _login(client, ada)).status_code == 200, "the recovery codes went with the last factor"
