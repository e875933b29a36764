"""Which pages are asked to reload, when, and what they show in the meantime."""

import time

import pytest

from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.web.tabs.loads import ANSWER_WITHIN_SECONDS, LOOK, STORE, Away, PageLoads, away_by

LATER = 100.0  # longer than any wait


@pytest.fixture
def loads() -> PageLoads:
    return PageLoads()


def _due(loads: PageLoads, seconds: float = 0, *, at_once: int = 10) -> list[str]:
    return loads.take_due(time.monotonic() + seconds, at_once=at_once)


def test_a_page_that_loads_well_is_asked_nothing(loads):
    loads.begun("page")
    assert _due(loads) == []
    loads.ended("page")
    assert _due(loads, LATER) == []


def test_a_page_that_is_never_answered_is_asked_again(loads):
    loads.begun("page")
    assert _due(loads, ANSWER_WITHIN_SECONDS - 1) == []
    assert _due(loads, ANSWER_WITHIN_SECONDS + 1) == ["page"]


def test_a_load_of_which_one_part_failed_has_not_ended_well(loads):
    loads.begun("page")
    loads.failed("page", Away.PAGE)
    loads.ended("page")
    assert loads.away_of("page") is Away.PAGE
    assert _due(loads, LATER) == ["page"]
    loads.begun("page")
    loads.ended("page")
    assert (loads.away_of("page"), _due(loads, LATER)) == (Away.NOTHING, [])


def test_nothing_is_asked_while_something_is_away_and_all_at_once_when_it_is_back(loads):
    for part, away in ((LOOK, Away.DATABASE), (STORE, Away.UPDATES)):
        loads.note(part, away)
        loads.failed("page", away)
        loads.failed("page", away)
        assert _due(loads, LATER) == []
    loads.note(LOOK, Away.NOTHING)
    assert (loads.away, loads.is_shut, _due(loads, LATER)) == (Away.UPDATES, True, [])
    loads.note(STORE, Away.NOTHING)
    assert _due(loads) == ["page"]


def test_a_page_that_fails_for_ever_is_asked_less_and_less(loads):
    waits: list[int] = []
    loads.begun("page")
    while len(waits) < 8:
        loads.failed("page", Away.PAGE)
        waits.append(next(second for second in range(200) if _due(loads, second)))
    assert waits[0] <= 2
    assert waits == sorted(waits)
    assert waits[-1] <= 60 < waits[-1] * 2


def test_pages_that_show_nothing_come_before_those_whose_state_is_gone_and_few_load_at_once(loads):
    for page in ("lost 1", "lost 2", "lost 3"):
        loads.lost(page)
    loads.failed("failed", Away.UPDATES)
    assert _due(loads, LATER, at_once=2) == ["failed", "lost 1"]
    assert _due(loads, LATER, at_once=2) == []
    loads.begun("failed")
    loads.ended("failed")
    assert _due(loads, LATER, at_once=2) == ["lost 2"]


def test_what_a_page_loads_already_is_not_lost(loads):
    loads.begun("page")
    loads.lost("page")
    loads.ended("page")
    assert _due(loads, LATER) == []


def test_a_page_that_left_is_neither_asked_nor_told(loads):
    loads.failed("page", Away.DATABASE, words="not now")
    loads.forget("page")
    assert (loads.take_unanswered(), _due(loads, LATER)) == ({}, [])


def test_a_page_whose_event_fails_after_it_left_is_not_kept(loads):
    for page in ("gone", "here"):
        loads.begun(page)
    loads.forget("gone")
    loads.failed("gone", Away.PAGE, words="not now")
    loads.lost("gone too")
    assert _due(loads, LATER, at_once=1) == ["gone"], "it would take the turn of a page that is there"
    loads.keep_only(["here"])
    assert (loads.take_unanswered(), _due(loads, 2 * LATER)) == ({}, ["here"])


def test_the_words_for_a_click_outlast_the_failures_after_it(loads):
    loads.failed("page", Away.DATABASE, words="not now")
    loads.failed("page", Away.DATABASE)
    assert (loads.take_unanswered(), loads.take_unanswered()) == ({"page": "not now"}, {})


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (DatabaseUnavailable("away"), Away.DATABASE),
        (ConnectionRefusedError(), Away.UPDATES),
        (ValueError("a fault"), Away.PAGE),
    ],
)
def test_an_error_says_what_is_away(error, away):
    assert away_by(error) is away
