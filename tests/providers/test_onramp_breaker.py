"""The circuit breaker alone, with a fake clock."""

from onramp_app.providers.onramp.http.breaker import BreakerState, CircuitBreaker, Pass


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock, seconds: float = 10.0) -> CircuitBreaker:
    breaker = CircuitBreaker(failures_to_open=3, open_seconds=seconds, max_open_seconds=30, clock=clock)
    for _ in range(3):
        used = breaker.begin()
        assert used is Pass.ORDINARY
        breaker.fail(used)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = CircuitBreaker(failures_to_open=3)
    for _ in range(10):
        for outcome in (breaker.fail, breaker.fail, breaker.succeed):
            used = breaker.begin()
            assert used is not None
            outcome(used)
    assert breaker.state is BreakerState.CLOSED


def test_while_open_nothing_passes_and_then_one_trial_does() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert (breaker.state, breaker.begin()) == (BreakerState.OPEN, None)
    assert 8 <= breaker.retry_after_seconds <= 10
    clock.now += 10
    assert breaker.state is BreakerState.HALF_OPEN
    assert [breaker.begin() for _ in range(3)] == [Pass.TRIAL, None, None]
    breaker.succeed(Pass.TRIAL)
    assert (breaker.state, breaker.begin()) == (BreakerState.CLOSED, Pass.ORDINARY)


def test_each_failed_trial_doubles_the_pause_up_to_its_limit() -> None:
    clock = Clock()
    breaker = opened(clock)
    pauses = []
    for _ in range(5):
        clock.now += 40
        assert breaker.begin() is Pass.TRIAL
        breaker.fail(Pass.TRIAL)
        pauses.append(breaker.retry_after_seconds)
    assert 16 <= pauses[0] <= 20
    assert all(24 <= pause <= 30 for pause in pauses[1:])


def test_a_trial_that_was_given_up_frees_its_place() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 10
    breaker.give_up(Pass.TRIAL if breaker.begin() else Pass.ORDINARY)
    assert breaker.begin() is Pass.TRIAL


def test_a_slow_failure_of_before_neither_frees_nor_prolongs_a_trial() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 10
    assert breaker.begin() is Pass.TRIAL
    breaker.fail(Pass.ORDINARY)
    assert (breaker.state, breaker.begin()) == (BreakerState.HALF_OPEN, None)
    breaker.succeed(Pass.TRIAL)
    assert breaker.state is BreakerState.CLOSED


def test_a_slow_success_of_before_closes() -> None:
    clock = Clock()
    breaker = opened(clock)
    breaker.succeed(Pass.ORDINARY)
    assert breaker.begin() is Pass.ORDINARY
