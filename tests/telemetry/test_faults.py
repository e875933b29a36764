"""A lasting fault is logged once, then at most once a minute with a count, and once when it is over."""

import io
import itertools
import json
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from onramp_app.telemetry.faults import SAY_EVERY_SECONDS, Fault
from tests.log_lines import log_lines

_numbers = itertools.count()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    with log_lines(monkeypatch, level="info") as output:
        yield output


def read(lines: io.StringIO) -> list[tuple[str, str, int]]:
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [(one["level"], one["event"], one["failures"]) for one in found]


def a_fault(clock: Clock) -> tuple[str, Fault]:
    name = f"part{next(_numbers)}"
    return name, Fault(name, lasts="it is away", is_over="it is back", clock=clock)


def test_two_failures_a_second_are_a_line_a_minute_and_one_at_the_end(
    clock: Clock, lines: io.StringIO
) -> None:
    name, fault = a_fault(clock)
    for _ in range(600):  # five minutes
        fault.happened(error="OperationalError")
        clock.now += 0.5
    assert REGISTRY.get_sample_value("fault_active", {"fault": name}) == 1
    fault.over()
    fault.over()
    warnings = [("warning", "it is away", n) for n in (1, 121, 241, 361, 481)]
    assert read(lines) == [*warnings, ("info", "it is back", 600)]
    assert REGISTRY.get_sample_value("fault_active", {"fault": name}) == 0
    assert REGISTRY.get_sample_value("fault_failures_total", {"fault": name}) == 600


def test_a_fault_that_comes_and_goes_is_said_once_a_minute_too(clock: Clock, lines: io.StringIO) -> None:
    _, fault = a_fault(clock)
    for _ in range(120):
        fault.happened()
        fault.over()
        clock.now += 1
    assert [level for level, _, _ in read(lines)] == ["warning", "info"] * int(120 / SAY_EVERY_SECONDS)


def test_what_is_not_away_says_nothing(clock: Clock, lines: io.StringIO) -> None:
    _, fault = a_fault(clock)
    fault.over()
    assert read(lines) == []
