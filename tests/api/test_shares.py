"""How much of each limited resource one network leaves to others, against a real simulator."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from onramp_app.config import get_settings
from onramp_app.domain.shares import TakenPlaces
from onramp_app.throttle import throttle
from onramp_app.top_ups import top_ups
from tests.money import WANTED, Wallet
from tests.people import Person

ATTACKER, OTHER = "203.0.113.9", "198.51.100.7"
THREADS = 8


@pytest.fixture(autouse=True)
def behind_a_proxy(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    """As deployed: behind one proxy, with 120 requests a minute to each of the provider's endpoints."""
    assert wallet
    monkeypatch.setenv("TRUSTED_PROXY_HOPS", "1")
    monkeypatch.setenv("ONRAMP_REQUESTS_PER_MINUTE", "120")
    get_settings.cache_clear()


async def _post(wallet: Wallet, path: str, person: Person, network: str, amount: int = 1000) -> int:
    headers = {**person.headers, "X-Forwarded-For": network}
    body = {**WANTED, "fiat_amount": str(amount)}
    return (await wallet.client.post(f"/api/{path}", json=body, headers=headers)).status_code


async def _storm(wallet: Wallet, path: str, *people: Person, times: int) -> Counter[int]:
    """Send `times` requests as these people, all from one network and eight at a time; count the statuses."""
    statuses: Counter[int] = Counter()
    numbers = iter(range(times))

    async def thread() -> None:
        for number in numbers:
            person = people[number % len(people)]
            statuses[await _post(wallet, path, person, ATTACKER, amount=1000 + number)] += 1

    await asyncio.gather(*(thread() for _ in range(THREADS)))
    return statuses


def _quotes_asked(wallet: Wallet) -> int:
    items: list[dict[str, Any]] = wallet.simulator.control("requests", method="GET")["items"]
    return sum(row["total"] for row in items if row["path"].endswith("/quotes"))


async def test_two_accounts_that_begin_without_end_leave_the_provider_to_the_others(
    wallet: Wallet, ada: Person, bo: Person, new_person: Callable[..., Awaitable[Person]]
) -> None:
    third = await new_person()
    statuses = await _storm(wallet, "top-ups", ada, bo, times=124)
    # Requests concurrent with the fifth still find a free place, and are refused under the lock.
    assert statuses[201] == 2 * top_ups.MAX_OPEN
    assert set(statuses) == {201, 409, 429}
    assert _quotes_asked(wallet) <= 2 * top_ups.MAX_OPEN + 2 * THREADS
    assert await _post(wallet, "quotes", third, OTHER) == 200


@pytest.mark.full
async def test_control_without_the_cheap_checks_first_two_accounts_stop_everybody(
    wallet: Wallet,
    ada: Person,
    bo: Person,
    new_person: Callable[..., Awaitable[Person]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing(_: object) -> None:
        return

    monkeypatch.setattr(top_ups, "may_begin", nothing)
    monkeypatch.setattr(TakenPlaces, "is_spent", lambda *_: False)
    third = await new_person()
    await _storm(wallet, "top-ups", ada, bo, times=124)
    assert await _post(wallet, "quotes", third, OTHER) == 503


async def test_many_accounts_of_one_network_take_half_of_the_provider(
    wallet: Wallet, new_person: Callable[..., Awaitable[Person]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "QUOTE", ())
    people = [await new_person() for _ in range(4)]
    third = await new_person()
    statuses = await _storm(wallet, "quotes", *people, times=90)
    assert statuses == {200: 60, 429: 30}
    assert _quotes_asked(wallet) == 60
    for number in range(3):
        assert await _post(wallet, "quotes", third, OTHER, amount=2000 + number) == 200


async def test_a_refused_attempt_that_is_throttled_leaves_no_row(
    wallet: Wallet, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(top_ups.MAX_OPEN):
        await wallet.created(ada)
    monkeypatch.setattr(throttle, "TOP_UP", throttle.REFRESH)  # 30 a minute
    statuses = Counter([(await wallet.create(ada, key=f"key-{n}")).status_code for n in range(60)])
    assert statuses == {409: 30, 429: 30}
    assert wallet.count("idempotency_keys") == 30
    assert wallet.count("top_ups") == top_ups.MAX_OPEN
