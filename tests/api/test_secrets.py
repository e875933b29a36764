"""Secrets never appear in answers to others, in logs or in errors."""

import io
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.log_lines import log_lines
from tests.people import PASSWORD, Person


async def _use_everything(client: httpx.AsyncClient, person: Person) -> list[str]:
    """Use all account routes; return every secret that was involved."""
    pair = (await client.post("/api/auth/refresh", json={"refresh_token": person.refresh_token})).json()
    form = {"email": person.email, "password": PASSWORD}
    cookie = (await client.post("/api/auth/session", data=form)).cookies["session"]
    wrong = "wrong-secret-guess"
    await client.post("/api/auth/login", json={"email": person.email, "password": wrong})
    await client.post("/api/auth/session", data={**form, "password": wrong})
    await client.post("/api/auth/register", json={"email": person.email, "password": PASSWORD, "x": wrong})
    body = {"current_password": PASSWORD, "new_password": "marble-teapot-92"}
    await client.post("/api/auth/password", headers=person.headers, json=body)
    await client.post("/api/auth/logout", headers=person.headers)
    await client.post("/api/auth/refresh", json={"refresh_token": person.refresh_token})
    tokens = [person.access_token, person.refresh_token, pair["access_token"], pair["refresh_token"], cookie]
    return [*tokens, PASSWORD, wrong, "marble-teapot-92", "$argon2id$", person.email]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that the application logs, at its most verbose."""
    with log_lines(monkeypatch, level="debug") as output:
        yield output


async def test_no_log_line_holds_a_secret_or_an_email_even_at_debug(
    logged: io.StringIO, client: httpx.AsyncClient, ada: Person
) -> None:
    secrets = await _use_everything(client, ada)
    assert "session opened" in logged.getvalue()  # the control: this is where the lines go
    assert ada.id in logged.getvalue()
    for secret in secrets:
        assert secret not in logged.getvalue()


async def test_what_is_typed_in_the_wrong_place_is_neither_logged_nor_answered(
    logged: io.StringIO, client: httpx.AsyncClient, ada: Person
) -> None:
    canary, json_type = "canary-word-7", {"Content-Type": "application/json"}
    answers = [
        await client.get(f"/api/auth/me?password={canary}&token={canary}"),
        await client.get("/api/auth/me", headers={"Authorization": f"Bearer {canary}"}),
        await client.get("/api/auth/me", headers={"Cookie": f"session={canary}", "User-Agent": canary}),
        await client.post("/api/auth/login", json={"email": ada.email, "pasword": canary}),
        await client.post("/api/auth/login", json={"email": canary, "password": {"a": canary}}),
        await client.post("/api/auth/login", headers=json_type, content=f'{{"password": "{canary}"'),
        await client.post("/api/auth/refresh", json={"refresh_token": canary, canary: 1}),
        await client.post("/api/auth/session", data={"pasword": canary, "otp": canary}),
        await client.post("/api/auth/registration", content=f"password={canary}&%zz".encode()),
    ]
    assert {answer.status_code for answer in answers} == {303, 401, 422}
    assert logged.getvalue().count('"event": "request"') >= len(answers), "the control"
    assert canary not in logged.getvalue()
    leaks = [answer for answer in answers if canary in f"{answer.text}{answer.headers}"]
    assert [answer.request.url.path for answer in leaks] == ["/api/auth/refresh"], (
        "the unknown field is named"
    )


async def test_an_error_of_the_database_names_no_values(
    logged: io.StringIO, client: httpx.AsyncClient, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("ALTER TABLE users RENAME COLUMN password_hash TO moved")
    transport = httpx.ASGITransport(app=client._transport.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as careless:
        body = {"email": "new@example.com", "password": PASSWORD}
        answer = await careless.post("/api/auth/register", json=body)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "UndefinedColumn" in logged.getvalue()
    for secret in ("new@example.com", "$argon2id$", PASSWORD):
        assert secret not in logged.getvalue() + answer.text


async def test_a_refusal_does_not_repeat_what_was_sent(client: httpx.AsyncClient, ada: Person) -> None:
    secret = "canary-5f1d"
    for method, path, body in (
        ("POST", "register", {"email": f"{secret}@@", "password": secret, "display_name": secret * 20}),
        ("POST", "login", {"email": f"{secret}@example.com", "password": secret, secret: 1}),
        ("POST", "refresh", {"refresh_token": secret}),
        ("POST", "refresh", {"refresh_token": [secret]}),
        ("POST", "password", {"current_password": secret, "new_password": secret * 20}),
        ("PATCH", "me", {"country": secret}),
        ("GET", f"sessions?cursor={secret}", None),
        ("DELETE", f"sessions/{secret}", None),
    ):
        answer = await client.request(method, f"/api/auth/{path}", json=body, headers=ada.headers)
        assert answer.status_code >= 400
        document = answer.json()
        for error in document.get("errors", []):
            error.pop("field")  # an unknown field is named: that is the field's name, not a value
        assert secret not in str(document)
