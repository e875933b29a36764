"""Closing an account: only an empty one, for good; afterwards nothing opens it or identifies its owner."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from onramp_app.accounts import program_sessions, sessions
from onramp_app.accounts.sessions import Client
from onramp_app.config import get_settings
from onramp_app.domain import clock
from onramp_app.domain.errors import Unauthenticated
from onramp_app.factors import passkeys
from onramp_app.factors.errors import PasskeyRefused
from onramp_app.mail.delivery import MailFolder
from onramp_app.mail.sender import send_some
from onramp_app.recovery.requests import answer_some
from onramp_app.sign_in import sign_in
from onramp_app.throttle import throttle
from tests import rows
from tests.factors.authenticator import SoftPasskey
from tests.ledger.books import findings
from tests.mailed import mailed, secret_in
from tests.money import Wallet
from tests.people import PASSWORD, Person, open_another

NewPerson = Callable[..., Awaitable[Person]]
ME = "/api/auth/me"
CLIENT = Client("127.0.0.1", "program/1")


async def _close(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    return await client.delete(ME, headers=person.headers)


async def _post(client: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    return await client.post(f"/api/auth/{path}", json=body)


def _code(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code") if answer.content else None


def _everything(owner: psycopg.Connection[Any]) -> str:
    """Return every row of every table as text, except mails, one of which still has the address."""
    tables = owner.execute(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'public' AND table_name <> 'outbox_mails'"
    ).fetchall()
    return "\n".join(
        str(row) for (name,) in tables for row in owner.execute(f"SELECT t::text FROM {name} t".encode())
    )


async def test_a_closed_account_names_nobody_and_its_address_is_free(
    client: httpx.AsyncClient, new_person: NewPerson, database: str
) -> None:
    ada = await new_person(display_name="Adelheid Canary", country="IN")
    await client.post(
        "/api/auth/email",
        headers=ada.headers,
        json={"new_email": "canary-two@example.com", "current_password": PASSWORD},
    )
    passkey = SoftPasskey()
    options = (await client.post("/api/auth/factors/passkeys/options", headers=ada.headers)).json()
    made = {"credential": passkey.create(options), "name": "Canary phone"}
    assert (
        await client.post("/api/auth/factors/passkeys", headers=ada.headers, json=made)
    ).status_code == 201
    with psycopg.connect(database, autocommit=True) as owner:
        link = rows.add_money_link(owner, rows.program(owner)[0], ada.id, reference="canary-order")
        assert {"Adelheid Canary", "Canary phone", ada.email} <= {
            word for word in ("Adelheid Canary", "Canary phone", ada.email) if word in _everything(owner)
        }
        assert (await _close(client, ada)).status_code == 204
        revoked = "SELECT revoked_at IS NOT NULL FROM add_money_links WHERE id = %s"
        assert owner.execute(revoked, (link,)).fetchall() == [(True,)]
        left = _everything(owner)
        assert [word for word in ("Canary", "canary", ada.email, "127.0.0.1") if word in left] == [
            "127.0.0.1"
        ]
        ((where,),) = owner.execute(
            "SELECT string_agg(DISTINCT action, ' ') FROM audit_log WHERE address = '127.0.0.1'"
        ).fetchall()
        assert where == "account.closed factor.added", "the audit log keeps from where, and nothing else does"
        assert mailed(owner) == [("account_closed", ada.email)]
    again = await _post(client, "register", email=ada.email, password=PASSWORD)
    assert again.status_code == 201
    assert again.json()["user"]["id"] != ada.id
    assert await findings() == []


async def test_nothing_opens_a_closed_account(
    client: httpx.AsyncClient, ada: Person, bo: Person, database: str
) -> None:
    """Tries old tokens, the cookie, the password, mailed links, a passkey, and flows started earlier."""
    passkey = SoftPasskey()
    options = (await client.post("/api/auth/factors/passkeys/options", headers=ada.headers)).json()
    made = {"credential": passkey.create(options)}
    await client.post("/api/auth/factors/passkeys", headers=ada.headers, json=made)
    browser = await open_another(ada.id, sessions.open_browser, CLIENT)
    other = await open_another(ada.id, program_sessions.open_program, CLIENT)
    await _post(client, "password/forgot", email=ada.email)
    await answer_some()
    with psycopg.connect(database) as owner:
        reset = secret_in(owner, "reset_password", to=ada.email)
        not_me = secret_in(owner, "factors_changed", to=ada.email)
        ((password_hash,),) = owner.execute("SELECT password_hash FROM users WHERE id = %s", (ada.id,))
    half = sign_in.first_step_cookie(sign_in.Known(ada.id, password_hash))
    assert (await _close(client, ada)).status_code == 204

    for token in (ada.access_token, other.access_token):
        answer = await client.get(ME, headers={"Authorization": f"Bearer {token}"})
        assert _code(answer) == (401, "unauthenticated")
    for token in (ada.refresh_token, other.refresh_token):
        assert _code(await _post(client, "refresh", refresh_token=token)) == (401, "unauthenticated")
    assert await sessions.resolve_cookie_header(f"session={browser.cookie_value}") is None
    assert _code(await _post(client, "login", email=ada.email, password=PASSWORD)) == (
        401,
        "invalid_credentials",
    )
    for path, body in (
        ("password/reset", {"token": reset, "new_password": "wholly-other-words-7"}),
        ("secure", {"token": not_me}),
    ):
        assert _code(await _post(client, path, **body)) == (422, "validation_failed")
    answered = json.dumps(passkey.get(json.loads(passkeys.request_options())))
    with pytest.raises(PasskeyRefused):
        await sign_in.sign_in_by_passkey(answered, CLIENT, program_sessions.open_program)
    with pytest.raises(Unauthenticated):
        await sign_in.first_step_of(half)
    await _post(client, "password/forgot", email=ada.email)
    await answer_some()
    with psycopg.connect(database) as owner:
        assert mailed(owner) == [("account_closed", ada.email)]
    assert (await client.get(ME, headers=bo.headers)).status_code == 200


async def test_what_is_left_or_open_is_said_and_nothing_is_changed(wallet: Wallet, ada: Person) -> None:
    client = wallet.client
    rows.insert(
        wallet.owner,
        "user_balances",
        user_id=ada.id,
        asset="USDT",
        available_minor=12 * 10**18,
        held_minor=5 * 10**17,
        owed_minor=0,
        version=1,
    )
    payment = rows.top_up(wallet.owner, ada.id)
    looked_at = rows.top_up(wallet.owner, ada.id, status="expired")
    wallet.run(
        "INSERT INTO exceptions (id, environment, kind, top_up_id, detail, opened_at)"
        " VALUES ('c1', 'simulator', 'not_found', %s, '', now())",
        looked_at,
    )
    answer = await _close(client, ada)
    assert _code(answer) == (409, "account_not_empty")
    told = {name: answer.json()[name] for name in ("balances", "owed", "open_top_ups", "open_reviews")}
    assert told == {"balances": {"USDT": "12.5"}, "owed": {}, "open_top_ups": "1", "open_reviews": "1"}

    for undo, is_closed in (
        ("UPDATE user_balances SET available_minor = 0, held_minor = 0, owed_minor = 1", False),
        ("UPDATE user_balances SET owed_minor = 0", False),
        (f"UPDATE top_ups SET status = 'canceled' WHERE id = '{payment}'", False),
        ("UPDATE exceptions SET closed_at = now(), closed_by = 'x', close_reason = 'looked at'", True),
    ):
        assert (await client.get(ME, headers=ada.headers)).json()["email"] == ada.email
        wallet.run(undo)
        assert (await _close(client, ada)).status_code == (204 if is_closed else 409), undo


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (
            "UPDATE auth_sessions SET proved_at = now() - interval '16 minutes'",
            (401, "recent_sign_in_required"),
        ),
        ("UPDATE users SET role = 'operator'", (403, "forbidden")),
        ("UPDATE users SET frozen_at = now()", (403, "account_frozen")),
        ("UPDATE auth_sessions SET revoked_at = now(), end_reason = 'signed_out'", (401, "unauthenticated")),
    ],
)
async def test_who_has_not_proved_it_or_may_not_closes_nothing(
    client: httpx.AsyncClient, ada: Person, database: str, change: str, refusal: tuple[int, str]
) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(change.encode())
        assert _code(await _close(client, ada)) == refusal
        assert owner.execute("SELECT closed_at FROM users").fetchall() == [(None,)]


async def test_a_thief_of_a_token_has_to_know_the_password_too(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE auth_sessions SET proved_at = now() - interval '16 minutes'")
    stolen = ada.headers
    assert _code(await client.delete(ME, headers=stolen)) == (401, "recent_sign_in_required")
    proof = {"password": "some-other-words-7"}
    assert (await client.post("/api/auth/proof", headers=stolen, json=proof)).status_code == 401
    assert _code(await client.delete(ME, headers=stolen)) == (401, "recent_sign_in_required")
    proof = {"password": PASSWORD}
    assert (await client.post("/api/auth/proof", headers=stolen, json=proof)).status_code == 204
    assert (await client.delete(ME, headers=stolen)).status_code == 204


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example", "null", "http://localhost:8000.evil.example"]
)
async def test_another_site_closes_no_account(
    client: httpx.AsyncClient, ada: Person, origin: str | None
) -> None:
    browser = await open_another(ada.id, sessions.open_browser, CLIENT)
    headers = {"Cookie": f"session={browser.cookie_value}"}
    if origin is not None:
        headers["Origin"] = origin
    assert _code(await client.delete(ME, headers=headers)) == (403, "forbidden")
    ours = headers | {"Origin": get_settings().public_url or "http://localhost:8000"}
    assert (await client.delete(ME, headers=ours)).status_code == 204


async def test_of_sixteen_that_close_at_once_one_does(client: httpx.AsyncClient, ada: Person) -> None:
    others = [await open_another(ada.id, program_sessions.open_program, CLIENT) for _ in range(7)]
    tokens = [ada.access_token, *(other.access_token for other in others)] * 2
    answers = await asyncio.gather(
        *(client.delete(ME, headers={"Authorization": f"Bearer {token}"}) for token in tokens)
    )
    assert sorted(answer.status_code for answer in answers) == [204, *[401] * 15]


async def test_closing_waits_for_what_is_being_booked(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    """`crediting.context` locks the person and then books, so closing has to wait and see the result."""
    balance = {"asset": "USDT", "available_minor": 1, "held_minor": 0, "owed_minor": 0, "version": 1}
    with psycopg.connect(database) as booking:
        rows.insert(booking, "assets", code="USDT", scale=18, created_at=clock.now())
        booking.execute("SELECT FROM users WHERE id = %s FOR KEY SHARE", (ada.id,))
        closing = asyncio.create_task(_close(client, ada))
        with psycopg.connect(database, autocommit=True) as owner:
            async with asyncio.timeout(10):
                waiting = "SELECT FROM pg_locks WHERE NOT granted"
                while not owner.execute(waiting).fetchall():  # noqa: ASYNC110  # a database has nothing to await
                    await asyncio.sleep(0.02)
        rows.insert(booking, "user_balances", user_id=ada.id, **balance)
        booking.commit()
        assert _code(await closing) == (409, "account_not_empty")


async def test_an_account_is_closed_or_a_payment_begins_and_never_both(
    wallet: Wallet, new_person: NewPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "CLOSE", ())
    ends = set()
    for _ in range(2):
        person = await new_person()
        closed, begun = await asyncio.gather(_close(wallet.client, person), wallet.create(person))
        ends.add((closed.status_code, begun.status_code))
        ((closed_at, top_ups),) = wallet.rows(
            "SELECT closed_at, (SELECT count(*) FROM top_ups WHERE user_id = u.id) FROM users u"
            " WHERE id = %s",
            person.id,
        )
        assert (closed_at is None) == (top_ups == 1)
    assert ends <= {(204, 401), (409, 201)}, ends


async def test_the_last_mail_says_so_and_nothing_else_is_sent(
    client: httpx.AsyncClient, ada: Person, tmp_path: Path
) -> None:
    await _post(client, "password/forgot", email=ada.email)
    await answer_some()
    assert (await _close(client, ada)).status_code == 204
    assert (await send_some(MailFolder(tmp_path))).sent == 1
    (content,) = await asyncio.to_thread(lambda: [path.read_bytes() for path in tmp_path.iterdir()])
    mail = message_from_bytes(content, policy=default)
    assert (mail["To"], mail["Subject"]) == (ada.email, "Your account is closed")
