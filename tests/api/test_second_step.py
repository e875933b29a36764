"""The second step of signing in by form: the cookie between the steps, and a passkey that replaces both."""

import json
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from onramp_app.accounts import tokens
from onramp_app.config import get_settings
from onramp_app.factors import passkeys
from tests.factors.authenticator import SoftPasskey, code_of
from tests.people import PASSWORD, Person

OURS = "http://localhost:3000"


@pytest.fixture(autouse=True)
def pages(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert database
    monkeypatch.setenv("PUBLIC_URL", OURS)
    get_settings.cache_clear()


@pytest.fixture
async def secret(client: httpx.AsyncClient, ada: Person) -> str:
    """The secret of Ada's authenticator app."""
    begun = (await client.post("/api/auth/factors/totp", headers=ada.headers)).json()["secret"]
    body = {"code": code_of(begun)}
    done = await client.post("/api/auth/factors/totp/confirm", headers=ada.headers, json=body)
    assert done.status_code == 200
    return str(begun)


async def _send(client: httpx.AsyncClient, cookie: str = "", **form: str) -> httpx.Response:
    client.cookies.clear()
    headers = {"Origin": OURS} | ({"Cookie": cookie} if cookie else {})
    return await client.post("/api/auth/session", data=form, headers=headers)


def _cookie(answer: httpx.Response, name: str) -> str:
    found: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        found.load(header)
    return f"{name}={found[name].value}" if name in found and found[name].value else ""


def _reason(answer: httpx.Response) -> str:
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return query.get("reason", [""])[0]


async def test_the_password_leads_to_a_second_step_that_opens_the_session(
    client: httpx.AsyncClient, ada: Person, secret: str
) -> None:
    first = await _send(client, email=ada.email, password=PASSWORD, next="/activity")
    assert (_reason(first), _cookie(first, "session")) == ("otp_required", "")
    assert "next=%2Factivity" in first.headers["location"]
    between = _cookie(first, "first-step")
    wrong = await _send(client, between, otp="000000")
    assert (_reason(wrong), _cookie(wrong, "session")) == ("wrong_code", "")
    second = await _send(client, between, otp=code_of(secret, steps=1), next="/activity")
    assert second.headers["location"] == f"{OURS}/activity"
    assert _cookie(second, "session")
    assert "first-step=" in " ".join(second.headers.get_list("set-cookie")), "it is taken away"
    again = await _send(client, between, otp=code_of(secret, steps=1))
    assert _reason(again) == "wrong_code", "the code was used"


async def test_both_steps_can_be_one(client: httpx.AsyncClient, ada: Person, secret: str) -> None:
    answer = await _send(client, email=ada.email, password=PASSWORD, otp=code_of(secret, steps=1))
    assert _cookie(answer, "session")


async def test_the_cookie_between_the_steps_opens_nothing_and_ends_with_the_password(
    client: httpx.AsyncClient, ada: Person, secret: str, database: str
) -> None:
    between = _cookie(await _send(client, email=ada.email, password=PASSWORD), "first-step")
    value = between.partition("=")[2]
    client.cookies.clear()
    for cookie in (between, f"session={value}"):
        assert (await client.get("/api/auth/me", headers={"Cookie": cookie})).status_code == 401
    bearer = {"Authorization": f"Bearer {value}"}
    assert (await client.get("/api/auth/me", headers=bearer)).status_code == 401
    session = tokens.issue(
        tokens.TokenType.SESSION,
        tokens.Claims(ada.id, "0" * 32),
        issued_at=tokens.clock.now(),
        expires_at=tokens.clock.now().replace(year=2099),
    )
    assert _reason(await _send(client, f"first-step={session}", otp="000000")) == "first_step_over"
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE users SET password_hash = 'changed' WHERE id = %s", (ada.id,))
    late = await _send(client, between, otp=code_of(secret, steps=1))
    assert (_reason(late), _cookie(late, "session")) == ("first_step_over", "")
    assert _reason(await _send(client, otp=code_of(secret, steps=1))) == "first_step_over", "without a cookie"


async def test_a_passkey_opens_the_session_from_our_pages_only(
    client: httpx.AsyncClient, ada: Person
) -> None:
    passkey = SoftPasskey()
    options = (await client.post("/api/auth/factors/passkeys/options", headers=ada.headers)).json()
    body = {"credential": passkey.create(options), "name": "Phone"}
    added = await client.post("/api/auth/factors/passkeys", headers=ada.headers, json=body)
    assert added.status_code == 201
    answer = json.dumps(passkey.get(json.loads(passkeys.request_options())))
    foreign = await client.post(
        "/api/auth/session", data={"passkey": answer}, headers={"Origin": "https://elsewhere.example"}
    )
    assert foreign.status_code == 403
    refused = await _send(
        client, passkey=json.dumps(SoftPasskey().get(json.loads(passkeys.request_options())))
    )
    assert (_reason(refused), _cookie(refused, "session")) == ("passkey_refused", "")
    opened = await _send(client, passkey=answer, next="/activity")
    assert opened.headers["location"] == f"{OURS}/activity"
    assert _cookie(opened, "session")
