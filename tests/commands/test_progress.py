"""Long work reports its progress: a line from time to time, or an updating line on a terminal."""

import io
import sys
import time

import pytest

from onramp_app.commands import progress
from onramp_app.commands.progress import shown_progress
from onramp_app.domain.progress import report


class Stream(io.StringIO):
    """A standard error stream that claims to be a terminal, or not."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def _work(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool, seconds: float) -> str:
    stream = Stream(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "TERMINAL_SECONDS", 0.05)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.05)
    with shown_progress():
        report("rule 1 of 2")
        time.sleep(seconds)
        report("rule 2 of 2")
        time.sleep(seconds)
    report("nobody hears this")
    return stream.getvalue()


def test_elsewhere_a_line_is_added_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _work(monkeypatch, is_terminal=False, seconds=0.5).splitlines()
    assert {line.partition(": ")[2] for line in lines} == {"rule 1 of 2", "rule 2 of 2"}
    assert all(line.partition(" s: ")[0].isdigit() for line in lines)


def test_on_a_terminal_one_line_changes_and_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    said = _work(monkeypatch, is_terminal=True, seconds=0.5)
    assert "\n" not in said
    assert said.endswith("rule 2 of 2\r\x1b[K")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_is_done_at_once_says_nothing(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    assert _work(monkeypatch, is_terminal=is_terminal, seconds=0) == ""
