"""The provider's health as a process sees it: what counts as slow, as down, and as a change."""

from datetime import timedelta

import pytest

from onramp_app.domain import clock
from onramp_app.providers.onramp.http.pulse import SLOW_SECONDS, Pulses
from onramp_app.providers.port import ProviderHealth
from onramp_app.providers.status import HealthState

WELL = ProviderHealth(HealthState.OK, None)
QUICK = 0.1


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch):
    """A clock that advances by a second each time it is read."""
    at = clock.now()

    def now():
        nonlocal at
        at += timedelta(seconds=1)
        return at

    monkeypatch.setattr(clock, "now", now)
    return now


def test_three_exchanges_without_an_answer_mean_that_it_is_away(moments) -> None:
    pulses = Pulses()
    quotes = pulses.of("quotes")
    began = moments() + timedelta(seconds=1)
    for _ in range(2):
        quotes.note(QUICK, is_answer=False)
    assert pulses.health() == WELL
    quotes.note(QUICK, is_answer=False)
    assert pulses.health() == ProviderHealth(HealthState.AWAY, began)
    quotes.note(QUICK, is_answer=True)
    assert pulses.health() == WELL


@pytest.mark.parametrize(("seconds", "is_busy"), [(SLOW_SECONDS, False), (QUICK, True)])
def test_two_slow_or_busy_answers_mean_that_it_is_slow(moments, *, seconds: float, is_busy: bool) -> None:
    pulses = Pulses()
    history = pulses.of("merchant_history")
    history.note(seconds, is_answer=True, is_busy=is_busy)
    assert pulses.health() == WELL
    history.note(seconds, is_answer=True, is_busy=is_busy)
    assert pulses.health().state is HealthState.SLOW
    history.note(QUICK, is_answer=True)
    assert pulses.health() == WELL


def test_one_endpoint_that_is_away_is_not_outvoted_by_the_others(moments) -> None:
    pulses = Pulses()
    for _ in range(3):
        pulses.of("quotes").note(QUICK, is_answer=False)
        pulses.of("limits").note(QUICK, is_answer=True)
    assert pulses.health().state is HealthState.AWAY


def test_what_was_asked_long_ago_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    pulses = Pulses()
    for _ in range(3):
        pulses.of("quotes").note(QUICK, is_answer=False)
    assert pulses.health().state is HealthState.AWAY
    later = clock.now() + timedelta(minutes=6)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert pulses.health() == WELL


def test_calls_nobody_waits_for_are_not_watched() -> None:
    assert Pulses().of("send_dummy_webhook") is None
