"""The layers around the routes, which every request passes through."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from onramp_app.api.build import before_pages
from onramp_app.api.frame.problems import add_error_handlers
from onramp_app.api.frame.requests import BodyLimit, RequestContext
from onramp_app.domain.errors import RateLimited
from tests.served import whole_api


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=whole_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_an_unknown_address_is_a_problem_document(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
    assert set(answer.json()) >= {"type", "title", "status", "detail", "code"}


async def test_a_wrong_method_is_a_problem_document_that_names_the_allowed_ones(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.put("/api/health/live")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["code"] == "method_not_allowed"


async def test_the_process_is_alive_without_a_database(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_well_formed_request_id_is_kept_and_another_is_replaced(client: httpx.AsyncClient) -> None:
    kept = await client.get("/api/health/live", headers={"X-Request-ID": "abc-12345"})
    replaced = await client.get("/api/health/live", headers={"X-Request-ID": "a b\tc;drop"})
    assert kept.headers["x-request-id"] == "abc-12345"
    assert replaced.headers["x-request-id"] != "a b\tc;drop"
    assert len(replaced.headers["x-request-id"]) == 16


async def test_the_documentation_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/api/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert (await client.get("/api/docs/files/swagger-ui-bundle.js")).status_code == 200


async def test_the_description_names_the_problem_schema(client: httpx.AsyncClient) -> None:
    description = (await client.get("/api/openapi.json")).json()
    assert "code" in description["components"]["schemas"]["Problem"]["required"]


def _bodies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for where, body in {
                "request": operation.get("requestBody", {}),
                **operation["responses"],
            }.items():
                if (content := body.get("content", {}).get("application/json")) is not None:
                    yield f"{method} {path} {where}", content


def _faults(document: dict[str, Any]) -> list[str]:
    """Return the JSON bodies that have no example, or an example that violates the schema."""
    components, faults = {"components": document["components"]}, []
    for place, content in _bodies(document):
        schema = content["schema"]
        named = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
        examples = [content["example"]] if "example" in content else named.get("examples", [])
        validator = jsonschema_rs.Draft202012Validator(schema | components)
        if not examples or not all(validator.is_valid(example) for example in examples):
            faults.append(place)
    return faults


async def test_every_body_has_an_example_that_is_one(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/openapi.json")).json()
    assert _faults(document) == []
    assert len(list(_bodies(document))) > 80
    document["components"]["schemas"]["DebitRequest"]["examples"][0].pop("amount")
    assert _faults(document) == ["post /api/debits request"]


async def test_every_route_of_programs_names_its_scope(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/api/openapi.json")).json()["paths"]
    asked = {
        next(iter(one["ApiKey"]), "")
        for operations in paths.values()
        for operation in operations.values()
        if "programs" in operation.get("tags", ())
        for one in operation["security"]
    }
    assert asked == {"users", "balances", "debits", "links", "webhooks"}


def _failing_api() -> FastAPI:
    api = FastAPI()
    add_error_handlers(api)

    @api.get("/broken")
    async def _broken() -> None:
        raise RuntimeError("postgresql://somebody:hidden-password@host/db")

    @api.get("/busy")
    async def _busy() -> None:
        raise RateLimited("Wait a little.", retry_after_seconds=7)

    @api.post("/echo")
    async def _echo(body: dict[str, int]) -> dict[str, int]:
        return body

    return api


@pytest.fixture
async def failing() -> AsyncIterator[httpx.AsyncClient]:
    app = RequestContext(BodyLimit(_failing_api(), max_bytes=1000))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_fault_of_ours_is_a_problem_document_without_its_cause(failing: httpx.AsyncClient) -> None:
    answer = await failing.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "hidden-password" not in answer.text


async def test_a_refusal_says_when_to_come_back(failing: httpx.AsyncClient) -> None:
    answer = await failing.get("/busy")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(
    failing: httpx.AsyncClient, *, declared: bool
) -> None:
    def body(size: int) -> bytes:
        return b'{"a": 1' + b" " * (size - 8) + b"}"

    async def chunks(data: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(data), 100):
            yield data[start : start + 100]

    for size, status in ((1000, 200), (1001, 413)):
        content = body(size) if declared else chunks(body(size))
        answer = await failing.post("/echo", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == status, answer.text
    assert answer.json()["code"] == "payload_too_large"


async def test_wrong_fields_are_named_and_what_was_sent_is_not_repeated(failing: httpx.AsyncClient) -> None:
    answer = await failing.post("/echo", json={"amount": "my-secret-text"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "amount"
    assert "my-secret-text" not in answer.text


async def test_a_hostile_body_gets_a_bounded_answer(failing: httpx.AsyncClient) -> None:
    answer = await failing.post("/echo", content=json.dumps({str(n): "x" for n in range(90)}).encode())
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) <= 20


async def test_only_addresses_below_api_reach_the_api() -> None:
    async def answer_with(name: str, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": name.encode()})

    async def api(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_with("api", send)

    async def pages(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_with("pages", send)

    transport = httpx.ASGITransport(app=before_pages(api)(pages))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path, served_by in (("/api/x", "api"), ("/api", "api"), ("/apiary", "pages"), ("/", "pages")):
            assert (await client.get(path)).text == served_by, path
