"""Every route of the API is called, anonymously, as Ada and as her program, with Bo's ids and worse."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from starlette.types import ASGIApp

from onramp_app.throttle import throttle
from onramp_app.wallet import transactions
from tests.attack.hostile import VALUES, Malice
from tests.attack.scene import Logged, Scene, new_address

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass
class Tally:
    calls: int = 0
    leaks: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    routes: set[tuple[str, str]] = field(default_factory=set)


async def attack(asgi: ASGIApp, scene: Scene, malice: Malice, *, calls: int, only: str = "") -> Tally:
    tally = Tally()
    document = (await scene.wallet.client.get("/api/openapi.json")).json()
    routes = [
        (method, path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if method in METHODS and path.startswith(only)
    ]
    while tally.calls < calls:
        method, path, described = routes[tally.calls % len(routes)]
        if not tally.calls % 20:
            throttle.forget()  # Rate limits are tested elsewhere; here they would stop the attack.
            await scene.renew()
        transport = httpx.ASGITransport(app=asgi, client=(new_address(), 1), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:3000") as client:
            content, kind = _body(malice, document, described)
            request = _request(client, scene, malice, (method, path, described), content=content, kind=kind)
            if request is None:
                continue
            answer = await client.send(request)
        tally.calls += 1
        tally.routes.add((method, path))
        seen = answer.text + str(answer.headers)
        tally.leaks += [f"{method} {path}: {leak}" for leak in scene.leaks(seen)]
        if answer.status_code >= 500 and answer.status_code != 503:
            tally.faults.append(
                f"{method} {path}: {answer.status_code} {request.content[:200]!r} {request.url}"
            )
    return tally


def _request(
    client: httpx.AsyncClient,
    scene: Scene,
    malice: Malice,
    route: tuple[str, str, dict[str, Any]],
    *,
    content: bytes | None,
    kind: str,
) -> httpx.Request | None:
    method, path, described = route
    headers = {"Content-Type": kind} if kind else {}
    match malice.random.randrange(5):
        case 0:
            headers["Authorization"] = f"Bearer {_ascii(malice.text())}"
        case 1:
            headers |= {"Cookie": scene.ada_cookie, "Origin": "http://localhost:3000"}
        case 2:
            headers |= scene.ada.headers
        case 3:
            headers["Authorization"] = f"Bearer {scene.ada_key}"
    query: dict[str, str] = {}
    for parameter in described.get("parameters", []):
        name, value = parameter["name"], _sendable(malice.text())
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(value[:500], safe=""))
        elif parameter["in"] == "query" and malice.random.random() < 0.5:
            query[name] = value[:2_000]
        elif parameter["in"] == "header" and malice.random.random() < 0.5:
            headers[name] = _ascii(value)
    try:
        return client.build_request(method.upper(), path, params=query, headers=headers, content=content)
    except (httpx.InvalidURL, ValueError):
        return None  # This could not be sent over HTTP.


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _ascii(text: str) -> str:
    return "".join(character for character in text if "!" <= character <= "~")[:100]


def _body(malice: Malice, document: dict[str, Any], described: dict[str, Any]) -> tuple[bytes | None, str]:
    if "requestBody" not in described:
        return None, ""
    kind, content = next(iter(described["requestBody"]["content"].items()))
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    names = list(schema.get("properties", {"orderId": {}}))
    body: Any = {name: malice.value() for name in names if malice.random.random() < 0.9}
    if "form" in kind:
        texts = {name: _sendable(str(value)[:500]) for name, value in body.items()}
        return urlencode(texts).encode(), kind
    if malice.random.random() < 0.15:
        body = malice.random.choice([*VALUES, malice.text()])
    return json.dumps(body).encode(), kind


async def _assert_harmless(asgi, scene: Scene, logged: Logged, seed: int, *, calls: int) -> None:
    before = scene.rows_of_bo()
    tally = await attack(asgi, scene, Malice(seed, scene.targets), calls=calls)
    note = f"ATTACK_SEED={seed}"
    assert tally.leaks == [], note
    assert tally.faults == [], note
    assert logged.faults == [], note
    assert logged.secrets_in(scene) == [], note
    assert scene.rows_of_bo() == before, note


async def test_hostile_requests_show_and_change_nothing_of_anybody_else(asgi, scene, logged, seed):
    await _assert_harmless(asgi, scene, logged, seed, calls=200)


@pytest.mark.full
async def test_ten_thousand_hostile_requests(asgi, scene, logged, seed):
    await _assert_harmless(asgi, scene, logged, seed, calls=10_000)


async def test_a_query_that_forgets_the_person_is_caught(asgi, scene, monkeypatch):
    """The control: the list of transactions is read for Bo, for every caller."""
    statement = transactions.statement
    monkeypatch.setattr(
        transactions, "statement", lambda _user_id, *rest, **named: statement(scene.bo.id, *rest, **named)
    )
    malice = Malice(1, scene.targets)
    for _ in range(30):  # Few of the requests are both valid and Ada's.
        tally = await attack(asgi, scene, malice, calls=20, only="/api/transactions")
        if tally.leaks:
            break
    assert tally.leaks
