"""The counts of this process: what they allow, and that many names cost neither time nor memory for long."""

import random
import time

import pytest
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from onramp_app.services import local_counts
from onramp_app.services.local_counts import LocalCounts

RULE = RateLimitItemPerMinute(5, namespace="try")
SAME_IN_ANOTHER_NAMESPACE = RateLimitItemPerMinute(5, namespace="other")


class Clock:
    """Seconds that pass when they are told to."""

    now = 1_700_000_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: clock.now)
    return clock


@pytest.mark.parametrize("seed", range(3))
async def test_it_allows_what_the_library_allows(clock: Clock, seed: int) -> None:
    ours, theirs, chance = LocalCounts(), MovingWindowRateLimiter(MemoryStorage()), random.Random(seed)
    refused = 0
    for _ in range(2_000):
        clock.now += chance.choice((0.01, 1.1, 7.3, 61.7))
        who = chance.choice("ab")
        if chance.random() < 0.01:
            await ours.clear(RULE, who)
            await theirs.clear(RULE, who)
        assert await ours.test(RULE, who) == await theirs.test(RULE, who)
        allowed = await ours.hit(RULE, who)
        refused += not allowed
        assert allowed == await theirs.hit(RULE, who)
        assert await ours.get_window_stats(RULE, who) == await theirs.get_window_stats(RULE, who)
    assert 100 < refused < 1_900, "both happened"


async def test_rules_of_two_namespaces_are_counted_apart(clock: Clock) -> None:
    counts = LocalCounts()
    assert [await counts.hit(RULE, "a") for _ in range(6)] == [True] * 5 + [False]
    assert await counts.hit(SAME_IN_ANOTHER_NAMESPACE, "a")


async def test_names_are_forgotten_after_their_window(clock: Clock) -> None:
    counts = LocalCounts()
    for number in range(1_000):
        await counts.hit(RULE, str(number))
    assert _kept(counts) == 1_000, "the control"
    clock.now += 61
    await counts.hit(RULE, "one more")
    assert _kept(counts) == 1


async def test_of_very_many_names_the_latest_are_kept(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_counts, "MAX_KEPT", 100)
    counts = LocalCounts()
    for number in range(1_000):
        clock.now += 0.001
        await counts.hit(RULE, str(number))
    assert _kept(counts) <= 101
    assert (await counts.get_window_stats(RULE, "999")).remaining == 4


async def test_an_attempt_costs_the_same_after_many_names() -> None:
    async def seconds_for(counts: LocalCounts | MovingWindowRateLimiter) -> float:
        began = time.process_time()
        for _ in range(50):
            await counts.hit(RULE, "somebody")
        if isinstance(counts, MovingWindowRateLimiter) and (sweep := counts.storage.timer):  # type: ignore[attr-defined]
            await sweep
        return time.process_time() - began

    ours, theirs = LocalCounts(), MovingWindowRateLimiter(MemoryStorage())
    for number in range(3_000):
        await ours.hit(RULE, str(number))
        await theirs.hit(RULE, str(number))
    few = await seconds_for(LocalCounts())
    assert await seconds_for(ours) < 0.05 + 10 * few
    assert await seconds_for(theirs) > 0.05 + 10 * few, "the control: the library's own store"


def _kept(counts: LocalCounts) -> int:
    return sum(len(kept) for kept in counts._kept.values())
