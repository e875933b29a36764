"""Events that were delayed on their way are not carried out, and events that are on time always are."""

import pytest

from onramp_app.web.tabs import browser_end, pulse
from onramp_app.web.tabs.pulse import LATE_AFTER_MS, Pulses


@pytest.fixture
def at(monkeypatch):
    """A function that sets the clock of the process."""

    def set_to(milliseconds: int) -> None:
        monkeypatch.setattr(pulse, "now_ms", lambda: milliseconds)

    return set_to


def test_what_comes_in_time_is_carried_out(at) -> None:
    pulses = Pulses()
    at(10_000)
    assert not pulses.is_late("a", 10_000 - LATE_AFTER_MS)
    assert not pulses.is_late("a", None)


def test_what_was_held_up_is_late_and_so_is_all_that_was_held_up_with_it(at) -> None:
    pulses = Pulses()
    at(10_000)
    assert pulses.is_late("a", 10_000 - LATE_AFTER_MS - 1)
    # Sent just before the proxy thawed, when the page had long been showing that it was offline.
    assert pulses.is_late("a", 9_999)
    assert not pulses.is_late("another", 9_999)
    at(10_500)
    assert not pulses.is_late("a", 10_400)


@pytest.mark.parametrize("said", [True, "9", 9.5, [], -(10**30), 10**30])
def test_nothing_that_a_page_may_say_breaks_it(at, said) -> None:
    at(10_000)
    Pulses().is_late("a", said)


def test_a_closed_socket_is_forgotten(at) -> None:
    pulses = Pulses()
    at(10_000)
    assert pulses.is_late("a", 1)
    pulses.forget("a")
    assert not pulses.is_late("a", 9_999)


def test_the_page_gives_up_when_the_server_does() -> None:
    assert browser_end.ANSWER_WITHIN_MS == LATE_AFTER_MS
    assert browser_end.ASK_EVERY_MS + browser_end.ANSWER_WITHIN_MS < 5_000
    script = browser_end.CHANGES[1][1]
    assert "ASK_EVERY" not in script
    assert "ANSWER_WITHIN" not in script
