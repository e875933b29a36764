"""Fifty people at once, over the API and against the real simulator, which counts its requests."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlmodel import select

from onramp_app.accounts import program_sessions, sessions
from onramp_app.accounts.tables import User
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.pricing.rates import get_rates
from onramp_app.providers.onramp.http.limits import RequestRate
from onramp_app.providers.shared_answers import SharedAnswers
from onramp_app.running import lifecycle
from tests.money import WANTED
from tests.people import Person
from tests.simulator.process import Process

USERS = 50
DOCUMENTED_A_MINUTE = 10
LIMITED = ("limits", "allChainMapping", "allCoinLimits", "fetchAllCountryConfig")


@pytest.fixture
async def people(ada: Person) -> list[Person]:
    """Ada and 49 others with her password: hashing one for each would take most of the test's time."""
    made = [ada]
    async with transaction() as db:
        first = (await db.exec(select(User).where(User.id == ada.id))).one()
        for number in range(1, USERS):
            copied = first.model_dump(exclude={"id", "email"})
            user = User(**copied, email=f"{number}-{ada.email}")
            db.add(user)
            await db.flush()
            opened = await program_sessions.open_program(db, user, sessions.Client("", "", ""))
            made.append(Person(user.id, user.email, opened.access_token, opened.refresh_token))
    return made


def requests(simulator: Process) -> dict[str, dict[str, Any]]:
    """Return the simulator's request counts since its reset, by the last segment of the path."""
    items = simulator.control("requests", method="GET")["items"]
    return {row["path"].rpartition("/")[2]: row for row in items}


async def begin(client: httpx.AsyncClient, person: Person, amount: int = 1000) -> tuple[int, int, str]:
    """Make the calls of a page on which somebody starts to add money; return statuses and quote's expiry."""
    options = await client.get("/api/options", params={"fiat_currency": "INR"})
    body = {**WANTED, "fiat_amount": str(amount)}
    quoted = await client.post("/api/quotes", json=body, headers=person.headers)
    return options.status_code, quoted.status_code, quoted.json().get("expires_at", "")


async def test_fifty_at_once_cost_what_one_costs(
    client: httpx.AsyncClient, simulator: Process, people: list[Person]
) -> None:
    simulator.scenario("api_slow", times=None, value=0.3)
    started = time.monotonic()
    assert (await begin(client, people[0]))[:2] == (200, 200)
    alone_seconds = time.monotonic() - started
    await lifecycle.close_provider()
    simulator.begin()
    simulator.scenario("api_slow", times=None, value=0.3)

    started = time.monotonic()
    found = await asyncio.gather(*(begin(client, person) for person in people))
    together_seconds = time.monotonic() - started

    assert {statuses[:2] for statuses in found} == {(200, 200)}
    counted = requests(simulator)
    assert {name: counted[name]["total"] for name in (*LIMITED, "quotes")} == dict.fromkeys(
        (*LIMITED, "quotes"), 1
    )
    assert len({expires_at for *_, expires_at in found}) == 1
    assert together_seconds < 3 * alone_seconds + 1, (together_seconds, alone_seconds)


async def test_the_documented_ten_a_minute_are_kept_whatever_is_asked(
    client: httpx.AsyncClient, simulator: Process, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each person comes from a network of their own, as one network gets at most half of the ten places.
    monkeypatch.setenv("TRUSTED_PROXY_HOPS", "1")
    get_settings.cache_clear()
    currencies = ("INR", "TRY", "AED", "MXN", "VND", "NGN", "BRL", "PEN", "COP", "CLP", "PHP", "EUR", "IDR")

    async def look_around(person: Person, number: int) -> None:
        network = {"X-Forwarded-For": f"203.0.113.{number}"}
        for turn in range(3):
            currency = currencies[(3 * number + turn) % len(currencies)]
            answer = await client.get("/api/options", params={"fiat_currency": currency}, headers=network)
            assert answer.status_code == 200
        assert (await begin(client, person, 1000 + number))[:2] == (200, 200)

    await asyncio.gather(
        get_rates().book(), *(look_around(person, number) for number, person in enumerate(people))
    )
    counted = requests(simulator)
    for name in LIMITED:
        assert counted[name]["total"] <= DOCUMENTED_A_MINUTE, name
        assert set(counted[name]["by_status"]) == {"200"}, name
    assert counted["allCoinLimits"]["total"] == DOCUMENTED_A_MINUTE, "the test comes to the limit"
    # For dollars the stablecoin is not sold on the first network that is tried.
    assert set(counted["quotes"]["by_status"]) == {"200", "406"}
    assert counted["quotes"]["total"] >= USERS, "different questions have an answer each"


@pytest.mark.full
async def test_control_without_sharing_and_our_own_rate_the_limit_is_exceeded(
    client: httpx.AsyncClient, simulator: Process, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask_each_time(_: Any, key: str, seconds: float, *, ask: Callable[[], Awaitable[Any]]) -> Any:
        assert key
        assert seconds
        return await ask()

    monkeypatch.setattr(SharedAnswers, "get", ask_each_time)
    monkeypatch.setattr(RequestRate, "take", lambda *_: None)
    found = await asyncio.gather(*(begin(client, person) for person in people))
    counted = requests(simulator)
    assert any(counted[name]["by_status"].get("429", 0) > 0 for name in LIMITED)
    assert {statuses[:2] for statuses in found} != {(200, 200)}
