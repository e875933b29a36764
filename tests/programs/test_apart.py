"""Keys and people are kept apart: on every route that the API describes, neither reaches the other's."""

import re
from typing import Any

import httpx
import pytest

from onramp_app.accounts import sessions
from onramp_app.accounts.sessions import Client
from onramp_app.api.build import create_api
from onramp_app.config import get_settings
from onramp_app.programs.words import Scope
from onramp_app.throttle import throttle
from tests import rows
from tests.log_lines import log_lines
from tests.people import Person, open_another
from tests.rows import Owner

ORIGIN = "http://localhost:3000"
# Routes that need neither a person nor a key, and the browser's forms; a key sent there has no effect.
PUBLIC = {
    "/api/auth/registration", "/api/auth/session/code", "/api/auth/session/end",
    "/api/auth/register", "/api/auth/login", "/api/auth/refresh", "/api/auth/session", "/api/exchange-rates",
    "/api/health/live", "/api/health/ready", "/api/health/status", "/api/webhooks/onramp", "/metrics",
    "/api/auth/password/forgot", "/api/auth/password/reset", "/api/auth/email/confirm",
    "/api/auth/email/undo", "/api/auth/secure", "/api/link-sessions",
}  # fmt: skip

# The routes through which programs change something: a valid body, and the audit action that names the key.
CHANGES: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    ("POST", "/api/users"): ({"external_id": "c-1"}, "account.created"),
}


# These need a person: `tests/links/test_api.py` checks their audit lines.
OF_LINKS = {("POST", "/api/add-money-links"), ("DELETE", "/api/add-money-links/{link_id}")}
# These move money, and need some: `tests/debits/test_api.py` checks their audit lines.
OF_DEBITS = {("POST", "/api/debits")} | {
    ("POST", f"/api/debits/{{debit_id}}/{move}") for move in ("capture", "release", "reverse")
}

# These need an endpoint, or a person whom the program knows: their audit lines are checked in
# `tests/outgoing_webhooks/test_endpoints.py` and `tests/programs/test_people.py`.
OF_WEBHOOKS = {
    ("POST", "/api/webhook-endpoints"),
    ("PATCH", "/api/webhook-endpoints/{endpoint_id}"),
    ("DELETE", "/api/webhook-endpoints/{endpoint_id}"),
    ("POST", "/api/webhook-endpoints/{endpoint_id}/rotate-secret"),
    ("POST", "/api/webhook-endpoints/{endpoint_id}/redeliver"),
    ("POST", "/api/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/redeliver"),
}
OF_PEOPLE = {("PATCH", "/api/users/{user_id}")}


async def _routes(client: httpx.AsyncClient) -> list[tuple[str, str, dict[str, Any]]]:
    document = (await client.get("/api/openapi.json")).json()
    return [
        (method.upper(), path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]


def _asks_key(described: dict[str, Any]) -> list[str] | None:
    """Return the scopes that a route's description requires of a key; None if it accepts no key."""
    for one in described.get("security", ()):
        if "ApiKey" in one:
            scopes: list[str] = one["ApiKey"]
            return scopes
    return None


async def _call(client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    body = {} if method in ("POST", "PUT", "PATCH") else None
    address = re.sub(r"\{\w+\}", "0" * 32, path)
    return await client.request(method, address, json=body, headers=headers)


async def test_no_token_and_no_cookie_of_a_person_reaches_a_route_of_programs(
    client: httpx.AsyncClient, owner: Owner, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "KEY_GUESS", ())  # each is a wrong key, and there are many routes
    rows.grant_role(owner, ada.id, "admin")
    browser = await open_another(ada.id, sessions.open_browser, Client("127.0.0.1", "Firefox"))
    cookie = {"Cookie": f"session={browser.cookie_value}", "Origin": ORIGIN}
    asked = [
        (method, path, headers)
        for method, path, described in await _routes(client)
        if _asks_key(described) is not None
        for headers in (ada.headers, cookie, ada.headers | cookie, {}, {"Authorization": "Basic YTpi"})
    ]
    answers = [(await _call(client, *route), *route[:2]) for route in asked]
    assert len(answers) >= 20
    assert {answer.status_code for answer, *_ in answers} == {401}, answers
    assert {answer.json()["code"] for answer, *_ in answers} == {"unauthenticated"}
    assert {answer.headers["www-authenticate"] for answer, *_ in answers} == {"Bearer"}
    assert (await client.get("/api/auth/me", headers=ada.headers)).status_code == 200, "the token is good"
    assert (await client.get("/api/auth/me", headers=cookie)).status_code == 200, "and so is the cookie"


async def test_no_key_reaches_a_route_of_people(client: httpx.AsyncClient, owner: Owner) -> None:
    _, key = rows.program(owner)
    headers = {"Authorization": f"Bearer {key}"}
    routes = await _routes(client)
    people = [route for route in routes if route[1] not in PUBLIC and _asks_key(route[2]) is None]
    for method, path, _ in people:
        answer = await _call(client, method, path, headers)
        assert answer.status_code == 401, (method, path, answer.text)
    assert len(people) > 25
    assert (await client.get("/api/users?external_id=x", headers=headers)).status_code == 404, (
        "the key is good"
    )
    cookie = {"Cookie": f"session={key}", "Origin": ORIGIN}
    assert (await client.get("/api/auth/me", headers=cookie)).status_code == 401


async def test_each_route_of_programs_asks_for_the_scope_that_it_describes(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    lacking = {
        scope.value: rows.program(owner, scopes=[one.value for one in Scope if one is not scope])[1]
        for scope in Scope
    }
    seen = set()
    for method, path, described in await _routes(client):
        if (scopes := _asks_key(described)) is None:
            continue
        (scope,) = scopes
        answer = await _call(client, method, path, {"Authorization": f"Bearer {lacking[scope]}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope"), (method, path)
        assert answer.json()["scope"] == scope
        seen.add(scope)
    assert seen == set(Scope)


async def test_every_change_by_a_key_is_named_in_the_audit_log(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    _, key = rows.program(owner)
    changing = {
        (method, path)
        for method, path, described in await _routes(client)
        if method != "GET" and _asks_key(described) is not None
    }
    assert changing == CHANGES.keys() | OF_DEBITS | OF_LINKS | OF_WEBHOOKS | OF_PEOPLE, (
        "a new one writes its line with `programs.records.note`, and stands here"
    )
    for (method, path), (body, _) in CHANGES.items():
        answer = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {key}"})
        assert answer.is_success, answer.text
    lines = owner.execute("SELECT actor, action FROM audit_log ORDER BY at, id").fetchall()
    assert lines == [(f"key:{key[4:36]}", action) for _, action in CHANGES.values()]


async def test_the_scheme_of_keys_is_described(client: httpx.AsyncClient) -> None:
    schemes = (await client.get("/api/openapi.json")).json()["components"]["securitySchemes"]
    assert schemes["ApiKey"]["scheme"] == "bearer"
    assert schemes["ApiKey"]["bearerFormat"] == "amk_…"


async def test_nobody_writes_the_address_that_a_key_works_from(
    owner: Owner, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUSTED_PROXY_HOPS", "1")
    monkeypatch.setenv("TRUSTED_PROXIES", "192.0.2.10/32")
    get_settings.cache_clear()
    _, key = rows.program(owner, networks=["203.0.113.8/32"])
    api = create_api("Wallet")

    async def ask(peer: str, **headers: str) -> int:
        transport = httpx.ASGITransport(app=api, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            names["Authorization"] = f"Bearer {key}"
            return (await client.get("/api/users?external_id=x", headers=names)).status_code

    assert await ask("203.0.113.8") == 404
    assert await ask("198.51.100.1", X_Forwarded_For="203.0.113.8") == 403, "a stranger says so"
    assert await ask("198.51.100.1", X_Real_IP="203.0.113.8", Forwarded="for=203.0.113.8") == 403
    assert await ask("192.0.2.10", X_Forwarded_For="203.0.113.8") == 404, "the proxy says so"
    assert await ask("192.0.2.10", X_Forwarded_For="203.0.113.8, 198.51.100.1") == 403, (
        "a stranger, through it"
    )
    assert await ask("203.0.113.8", X_Forwarded_For="198.51.100.1") == 404, "no proxy of ours wrote it"


async def test_a_key_is_in_no_line_of_the_log(
    client: httpx.AsyncClient, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = rows.program(owner, networks=["203.0.113.8/32"])
    _, good = rows.program(owner)
    with log_lines(monkeypatch, level="debug") as output:
        for sent in (key, good, good[:-1] + "x", good.upper()):
            for headers in (
                {"Authorization": f"Bearer {sent}"},
                {"Authorization": sent},
                {"X-Api-Key": sent},
            ):
                await client.get("/api/users?external_id=x", headers=headers)
        await client.get(f"/api/users/{good}/balances")
        await client.get(f"/api/users?external_id={good}")
    text = output.getvalue()
    assert "request" in text
    for sent in (key, good):
        assert sent[36:79] not in text, "the secret part"
