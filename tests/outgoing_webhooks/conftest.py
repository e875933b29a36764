"""Fixtures: a program that knows Ada, its requests, and an owner's connection to inspect the results."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from onramp_app.db.engine import transaction
from onramp_app.outgoing_webhooks.events import Happening, note
from onramp_app.outgoing_webhooks.post import Poster
from onramp_app.outgoing_webhooks.words import EventType
from tests import rows
from tests.api.conftest import ada, bo, new_person
from tests.outgoing_webhooks.receiver import Receiver, receiving
from tests.people import Person
from tests.programs.conftest import owner
from tests.rows import Owner
from tests.served import whole_api

__all__ = ["ada", "bo", "new_person", "owner"]

Call = Callable[..., Awaitable[httpx.Response]]
ENDPOINTS = "/api/webhook-endpoints"


@dataclass
class Shop:
    """A program whose key has every scope."""

    client: httpx.AsyncClient
    program_id: str
    key: str

    async def ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Send a request as the program."""
        headers = {"Authorization": f"Bearer {self.key}"}
        if method == "GET":
            return await self.client.get(path, headers=headers, params=body)
        return await self.client.request(method, path, headers=headers, json=body)

    async def endpoint(self, url: str = "https://shop.example/hook", **more: Any) -> dict[str, Any]:
        """Create an endpoint. Returns it with its secret."""
        made = await self.ask("POST", ENDPOINTS, url=url, **more)
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found

    async def deliveries(self, endpoint: dict[str, Any], **filters: Any) -> list[dict[str, Any]]:
        """Return the delivery log of an endpoint, newest first."""
        answer = await self.ask("GET", f"{ENDPOINTS}/{endpoint['id']}/deliveries", **filters)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


@pytest.fixture
async def client(database: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=whole_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


@pytest.fixture
def shop(client: httpx.AsyncClient, owner: Owner, ada: Person) -> Shop:
    program_id, key = rows.program(owner)
    rows.program_user(owner, program_id, ada.id, external_id="customer-1")
    return Shop(client, program_id, key)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    async with Poster(total_seconds=2) as poster:
        yield poster


async def happen(
    user_id: str, *, of: str = "top_up:1", type_: EventType = EventType.TOP_UP_SETTLED, **data: object
) -> None:
    """Commit an event about a person's object."""
    async with transaction() as db:
        note(db, Happening(type_, of, user_id, lambda _: data))
