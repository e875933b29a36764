"""A repeated traceback is logged once a minute, with how often it was left out; all else is always logged."""

import json
import logging

import pytest
import structlog

from onramp_app.logs import OncePerMinute
from tests.log_lines import log_lines


def fail(kind: type[Exception] = ValueError) -> None:
    raise kind("a fault")


def log_it(*, foreign: bool, kind: type[Exception] = ValueError, text: str = "it failed") -> None:
    try:
        fail(kind)
    except Exception:
        if foreign:
            logging.getLogger("theirs").exception("%s", text)
        else:
            structlog.get_logger("ours").exception(text)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    before = OncePerMinute.__init__
    monkeypatch.setattr(OncePerMinute, "__init__", lambda self: before(self, clock=lambda: now[0]))
    return now


@pytest.mark.parametrize("foreign", [True, False])
def test_a_traceback_that_repeats_is_written_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], foreign: bool
) -> None:
    with log_lines(monkeypatch, level="info") as output:
        for _ in range(130):  # more than two minutes
            log_it(foreign=foreign)
            clock[0] += 1
    written = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [line.get("repeated") for line in written] == [None, 59, 59]
    assert all("a fault" in line["exception"] for line in written)


@pytest.mark.usefixtures("clock")
def test_another_fault_and_lines_without_one_are_always_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with log_lines(monkeypatch, level="info") as output:
        log_it(foreign=False)
        log_it(foreign=False, kind=TypeError)
        log_it(foreign=False, text="something else failed")
        log_it(foreign=True)
        for _ in range(3):
            structlog.get_logger("ours").warning("no traceback")
    assert len(output.getvalue().splitlines()) == 7
