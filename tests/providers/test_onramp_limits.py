"""Our own rate limit and shared answers: the documented 10 a minute apply to all callers together."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp_app.domain.shares import Asker, asked_from, asker
from onramp_app.providers.errors import ProviderBusy, ProviderUnavailable, ShareSpent
from onramp_app.providers.onramp.client import OnrampClient
from onramp_app.providers.onramp.http import endpoints
from onramp_app.providers.onramp.http.endpoints import Endpoint
from onramp_app.providers.onramp.http.limits import WINDOW_SECONDS, RequestRate, Wait
from onramp_app.providers.onramp.http.transport import Transport
from onramp_app.providers.shared_answers import SharedAnswers
from onramp_app.providers.status import Flow
from tests.providers.fake_onramp import FakeOnramp, Reply, ok, refused

Connect = Callable[..., Transport]
LIMITED = [
    endpoints.LIMITS,
    endpoints.CONFIG_MAPPING,
    endpoints.CHAIN_MAPPING,
    endpoints.COIN_LIMITS,
    endpoints.COUNTRY_CONFIG,
]


async def storm(transport: Transport, endpoint: Endpoint) -> list[object]:
    calls = (transport.call(endpoint, {"caller": i}) for i in range(50))
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("endpoint", LIMITED, ids=lambda endpoint: endpoint.name)
async def test_ten_a_minute_hold_under_fifty_callers_who_share_nothing(
    onramp: FakeOnramp, connect: Connect, endpoint: Endpoint
) -> None:
    name = endpoint.path.rsplit("/", 1)[1]
    onramp.answers[name] = ok({})
    results = await storm(connect(), endpoint)
    busy = [result for result in results if isinstance(result, ProviderBusy)]
    assert onramp.count(name) == 10
    assert len(busy) == 40
    assert all(50 < (error.retry_after_seconds or 0) <= 62 for error in busy)
    assert sum(isinstance(result, Exception) for result in results) == 40


async def test_without_the_documented_limit_the_same_storm_exceeds_it(
    onramp: FakeOnramp, connect: Connect
) -> None:
    onramp.answers["limits"] = ok({})
    results = await storm(connect(), replace(endpoints.LIMITS, requests_per_minute=None))
    assert onramp.count("limits") == 50  # The control: it is our limiter that keeps to the ten.
    assert not any(isinstance(result, Exception) for result in results)


async def test_fifty_callers_of_one_answer_make_one_request(onramp: FakeOnramp, client: OnrampClient) -> None:
    onramp.answers["limits"] = Reply(
        body=b'{"status":1,"code":200,"data":{"onramp":{"1":{"min":100}}}}', delay_seconds=0.1
    )
    found = await asyncio.gather(*(client.limits(Flow.BUY) for _ in range(50)))
    assert onramp.count("limits") == 1
    assert all(limits[1].min == 100 for limits in found)
    await client.limits(Flow.SELL)
    assert onramp.count("limits") == 2


async def test_a_shared_failure_reaches_all_and_is_not_kept(onramp: FakeOnramp, client: OnrampClient) -> None:
    onramp.answers["limits"] = refused(400)
    results = await asyncio.gather(*(client.limits(Flow.BUY) for _ in range(20)), return_exceptions=True)
    assert onramp.count("limits") == 1
    assert all(isinstance(result, ProviderUnavailable) for result in results)
    onramp.answers["limits"] = ok({"onramp": {}})
    assert await client.limits(Flow.BUY) == {}


async def test_a_caller_that_goes_away_leaves_the_request_to_the_others(
    onramp: FakeOnramp, client: OnrampClient
) -> None:
    onramp.answers["limits"] = Reply(body=b'{"status":1,"code":200,"data":{"onramp":{}}}', delay_seconds=0.1)
    first = asyncio.create_task(client.limits(Flow.BUY))
    await asyncio.sleep(0.03)
    second = asyncio.create_task(client.limits(Flow.BUY))
    await asyncio.sleep(0.03)
    first.cancel()
    assert await second == {}
    assert onramp.count("limits") == 1


async def test_the_configured_rate_holds_where_none_is_documented(
    onramp: FakeOnramp, connect: Connect
) -> None:
    onramp.answers["quotes"] = ok({})
    results = await storm(connect(requests_per_minute=7), endpoints.QUOTES)
    assert onramp.count("quotes") == 7
    assert sum(isinstance(result, ProviderBusy) for result in results) == 43


@given(st.lists(st.floats(0, 30), min_size=1, max_size=80), st.integers(1, 12))
def test_no_window_of_a_minute_ever_holds_more_than_allowed(pauses: list[float], allowed: int) -> None:
    time = 0.0
    rate = RequestRate(clock=lambda: time)
    sent: list[float] = []
    for pause in pauses:
        time += pause
        wait = rate.take("x", allowed)
        if wait is None:
            sent.append(time)
        else:
            assert 1 <= wait.seconds <= WINDOW_SECONDS + 1
    assert all(sum(start <= at < start + 60 for at in sent) <= allowed for start in sent)


def test_after_the_told_wait_a_request_is_free() -> None:
    time = 0.0
    rate = RequestRate(clock=lambda: time)
    assert [rate.take("x", 2) for _ in range(2)] == [None, None]
    wait = rate.take("x", 2)
    assert wait == Wait(61)
    time = float(wait.seconds)
    assert rate.take("x", 2) is None
    rate.hold("x", 5)
    assert rate.take("x", 2) == Wait(5)


def test_a_network_takes_half_and_a_person_a_quarter() -> None:
    time = 0.0
    rate = RequestRate(clock=lambda: time)

    def taken(network: str, *persons: str, often: int = 120) -> int:
        count = 0
        for number in range(often):
            who = Asker(network, persons[number % len(persons)])
            count += rate.take("x", 120, who) is None
        return count

    assert taken("n1", "ada") == 30
    assert taken("n1", *(f"account {number}" for number in range(120))) == 30, "half with ada's"
    assert taken("n2", "ada") == 0, "from everywhere she has a quarter"
    assert taken("n2", "bo") == 30
    assert rate.take("x", 120, Asker("n1")) == Wait(61, is_share=True)
    assert [rate.take("x", 120) for _ in range(30)] == [None] * 30, "what nobody asks for has no share"
    assert rate.take("x", 120) == Wait(61)
    time = WINDOW_SECONDS
    assert taken("n1", "ada") == 30


def test_the_documented_ten_are_shared_too() -> None:
    rate = RequestRate(clock=lambda: 0.0)
    taken = [rate.take("x", 10, Asker("n1")) for _ in range(6)]
    assert taken == [*[None] * 5, Wait(61, is_share=True)]
    assert rate.take("x", 10, Asker("n2")) is None


async def test_who_shares_an_answer_does_not_share_the_refusal_of_somebody_elses_share() -> None:
    shared: SharedAnswers[str] = SharedAnswers()

    async def ask() -> str:
        await asyncio.sleep(0)
        if (who := asker()) and who.network == "spent":
            raise ShareSpent("spent")
        return "answer"

    async def get(network: str) -> str:
        with asked_from(network):
            return await shared.get("k", 60, ask=ask)

    async def get_a_little_later(network: str, steps: int) -> str:
        for _ in range(steps):
            await asyncio.sleep(0)
        return await get(network)

    # This includes a caller in the very step in which the refused request has ended but is still registered.
    for steps in range(8):
        late = [get_a_little_later("other", step) for step in range(steps)]
        async with asyncio.timeout(5):
            refused, *answers = await asyncio.gather(get("spent"), *late, return_exceptions=True)
        assert isinstance(refused, ShareSpent)
        assert answers == ["answer"] * steps
        shared._kept.clear()
    first, second = await asyncio.gather(get("spent"), get("other"), return_exceptions=True)
    assert isinstance(first, ShareSpent)
    assert second == "answer"


async def test_a_kept_answer_is_asked_for_again_when_it_is_old() -> None:
    time, asked = 0.0, 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        return asked

    shared: SharedAnswers[int] = SharedAnswers(clock=lambda: time)
    assert [await shared.get("k", 60, ask=ask) for _ in range(3)] == [1, 1, 1]
    time = 60.0
    assert await shared.get("k", 60, ask=ask) == 2
