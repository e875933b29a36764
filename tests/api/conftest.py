"""A client of the whole API over ASGI, and quick ways to be somebody."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from onramp_app.api.application import create_api
from tests.people import PASSWORD, Person


@pytest.fixture
async def client(database: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_api("Wallet"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


@pytest.fixture
def new_person(client: httpx.AsyncClient) -> Callable[..., Awaitable[Person]]:
    async def make(**fields: str) -> Person:
        body = {"email": f"p{secrets.token_hex(5)}@example.com", "password": PASSWORD, **fields}
        answer = await client.post("/api/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        given = answer.json()
        return Person(given["user"]["id"], body["email"], given["access_token"], given["refresh_token"])

    return make


@pytest.fixture
async def ada(new_person: Callable[..., Awaitable[Person]]) -> Person:
    return await new_person(display_name="Ada", country="IN")
