"""Counts in this process and in Redis: what windows allow, and strangers cannot exhaust memory."""

import random
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis import Redis

from onramp_app.throttle import local_counts, shared_counts, throttle
from onramp_app.throttle.local_counts import LocalCounts, Rules
from onramp_app.throttle.shared_counts import SharedCounts
from tests.redis_server import RedisServer

RULES: Rules = (
    RateLimitItemPerMinute(5, namespace="try"),
    RateLimitItemPerMinute(8, 3, namespace="try-long"),
)
IN_ANOTHER_NAMESPACE: Rules = (RateLimitItemPerMinute(5, namespace="other"),)
MEBIBYTE = 2**20


class Clock:
    """A clock in seconds that only a test advances."""

    now = 1_700_000_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: clock.now)
    return clock


@pytest.fixture
async def shared(redis_server: RedisServer) -> AsyncIterator[SharedCounts]:
    counts = SharedCounts(redis_server.url)
    yield counts
    await counts._redis.aclose()


class Library:
    """The library's own moving windows, one per rule."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def count(self, rules: Rules, who: tuple[str, ...]) -> float:
        if wait := await self.seconds_to_wait(rules, who):
            return wait
        for rule in rules:
            assert await self._limiter.hit(rule, *who)
        return 0

    async def seconds_to_wait(self, rules: Rules, who: tuple[str, ...]) -> float:
        waits = [0.0]
        for rule in rules:
            if not await self._limiter.test(rule, *who):
                waits.append((await self._limiter.get_window_stats(rule, *who)).reset_time - time.time())
        return max(waits)

    async def forget(self, rules: Rules, who: tuple[str, ...]) -> None:
        for rule in rules:
            await self._limiter.clear(rule, *who)


async def _compare(clock: Clock, counts: LocalCounts | SharedCounts, *, seed: int, rounds: int) -> None:
    library, chance, refused = Library(), random.Random(seed), 0
    for _ in range(rounds):
        clock.now += chance.choice((0.01, 1.1, 7.3, 31.7))
        who = (chance.choice("ab"),)
        if chance.random() < 0.01:
            await counts.forget(RULES, who)
            await library.forget(RULES, who)
        assert await counts.seconds_to_wait(RULES, who) == pytest.approx(
            await library.seconds_to_wait(RULES, who), abs=1e-3
        )
        wait = await counts.count(RULES, who)
        refused += wait > 0
        assert wait == pytest.approx(await library.count(RULES, who), abs=1e-3)
    assert rounds / 20 < refused < rounds * 19 / 20, "both happened"


@pytest.mark.parametrize("seed", range(3))
async def test_it_allows_what_the_library_allows(clock: Clock, seed: int) -> None:
    await _compare(clock, LocalCounts(), seed=seed, rounds=2_000)


async def test_redis_allows_what_the_library_allows(clock: Clock, shared: SharedCounts) -> None:
    clock.now = 2_000_000_000.0  # Redis uses its own clock to expire logs.
    await _compare(clock, shared, seed=1, rounds=500)


async def test_rules_of_two_namespaces_are_counted_apart(clock: Clock) -> None:
    counts = LocalCounts()
    assert [await counts.count(RULES, ("a",)) for _ in range(6)] == [*[0] * 5, 60]
    assert await counts.count(IN_ANOTHER_NAMESPACE, ("a",)) == 0


async def test_names_are_forgotten_after_their_window(clock: Clock) -> None:
    counts = LocalCounts()
    for number in range(1_000):
        await counts.count(RULES, (str(number),))
    assert len(counts) == 1_000, "the control"
    clock.now += 181
    await counts.count(RULES, ("one more",))
    assert len(counts) == 1


async def test_who_goes_on_for_ever_leaves_no_more_than_the_rules_ask_for(
    clock: Clock, shared: SharedCounts, redis_server: RedisServer
) -> None:
    counts, most = LocalCounts(), local_counts.most_moments(RULES)
    for _ in range(3 * most):
        clock.now += 60
        assert await counts.count(RULES, ("a",)) == await shared.count(RULES, ("a",)) == 0
    (moments,) = counts._logs[local_counts.kind_of(RULES)].values()
    assert len(moments) <= most
    with Redis.from_url(redis_server.url) as redis:
        assert redis.llen(shared_counts._key(RULES, ("a",))) <= most


async def test_of_very_many_names_the_latest_are_kept(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_counts, "MAX_NAMES", 100)
    counts = LocalCounts()
    for number in range(1_000):
        clock.now += 0.001
        await counts.count(RULES, (str(number),))
        await counts.count(IN_ANOTHER_NAMESPACE, (str(number),))
    assert len(counts) == 100
    for _ in range(4):
        assert await counts.count(RULES, ("999",)) == 0
    assert await counts.count(RULES, ("999",)) > 0, "the first of them is still known"


async def test_who_came_again_is_among_the_latest(
    clock: Clock, shared: SharedCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (local_counts, shared_counts):
        monkeypatch.setattr(module, "MAX_NAMES", 100)
    for counts in (LocalCounts(), shared):
        for number in range(120):
            clock.now += 0.001
            if number % 60 == 0:
                await counts.count(RULES, ("again",))
            await counts.count(RULES, (str(number),))
        waits = [await counts.count(RULES, ("again",)) for _ in range(4)]
        assert [wait > 0 for wait in waits] == [False, False, False, True], "both times are still known"


async def test_of_very_many_names_redis_keeps_the_latest(
    shared: SharedCounts, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_counts, "MAX_NAMES", 100)
    for number in range(500):
        await shared.count(RULES, (str(number),))
    with Redis.from_url(redis_server.url) as redis:
        keys = redis.keys("*")
        assert len(keys) == 101, "a hundred, and the set of them"
        assert all(0 < redis.ttl(key) <= 180 for key in keys if not key.endswith(b":names"))
    for _ in range(4):
        assert await shared.count(RULES, ("499",)) == 0
    assert await shared.count(RULES, ("499",)) > 0, "the first of them is still known"


async def test_what_a_hundred_thousand_names_cost() -> None:
    """Uses names as strangers send them, under the sign-in rules; only a hundredth, as all are alike."""
    counts, names = LocalCounts(), 1_000
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(names):
        who = (f"{number:064x}", f"203.0.{number // 256}.{number % 256}")
        await counts.count(throttle.SIGN_IN.together, who)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(counts) == names
    assert (after - before) / names * local_counts.MAX_NAMES < 48 * MEBIBYTE
    assert sys.getsizeof(local_counts.name_of(("x" * 100_000,))) < 64, "long names are as short as others"


async def test_an_attempt_costs_the_same_after_many_names() -> None:
    async def seconds_for(counts: LocalCounts | MovingWindowRateLimiter) -> float:
        began = time.process_time()
        for number in range(50):  # with other names, since a refusal looks up nothing else
            if isinstance(counts, LocalCounts):
                await counts.count(RULES, (f"somebody {number}",))
            else:
                await counts.hit(RULES[0], f"somebody {number}")
                if sweep := counts.storage.timer:  # type: ignore[attr-defined]
                    await sweep
        return time.process_time() - began

    counts, library = LocalCounts(), MovingWindowRateLimiter(MemoryStorage())
    for number in range(5_000):
        await counts.count(RULES, (str(number),))
    for number in range(300):
        await library.hit(RULES[0], str(number))
    few = await seconds_for(LocalCounts())
    assert await seconds_for(counts) < 0.01 + 10 * few
    assert await seconds_for(library) > 0.01 + 10 * few, "the control: the library's own store"
