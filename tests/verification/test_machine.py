"""The state machine of verification: every status and meaning, what a start does, what operators may set."""

import itertools

import pytest

from onramp_app.accounts.words import KycStatus as S
from onramp_app.accounts.words import KycTier as T
from onramp_app.providers.port import KycMeaning as M
from onramp_app.verification.machine import Standing, can_start, fault_of, is_raise, on_meaning, on_start
from onramp_app.verification.views import next_step_of
from onramp_app.verification.words import Line, NextStep

# Written by hand: the resulting status, by status and meaning. Tiers are checked separately.
TABLE = """
            STARTED    IN_REVIEW  APPROVED_BASIC  APPROVED_FULL  RESUBMIT  REJECTED
none        started    in_review  approved        approved       resubmit  rejected
started     started    in_review  approved        approved       resubmit  rejected
in_review   in_review  in_review  approved        approved       resubmit  rejected
approved    approved   in_review  approved        approved       resubmit  rejected
rejected    rejected   rejected   approved        approved       resubmit  rejected
resubmit    started    in_review  approved        approved       resubmit  rejected
"""
_HEAD, *_ROWS = (line.split() for line in TABLE.strip().splitlines())
CASES = [(row[0], meaning, after) for row in _ROWS for meaning, after in zip(_HEAD, row[1:], strict=True)]
STANDINGS = [
    Standing(status, tier)
    for status, tier in itertools.product(S, T)
    if fault_of(Standing(status, tier)) is None
]


def test_the_table_names_every_pair() -> None:
    assert len(CASES) == len(S) * len(M)
    assert {(before, meaning) for before, meaning, _ in CASES} == {(s.value, m.name) for s in S for m in M}


@pytest.mark.parametrize(("before", "meaning", "after"), CASES)
def test_what_the_provider_says_moves_a_person_as_the_table_says(
    before: str, meaning: str, after: str
) -> None:
    tier = T.BASIC if before == "approved" else T.NONE
    found = on_meaning(Standing(S(before), tier), M[meaning])
    tiers = {"APPROVED_BASIC": T.BASIC, "APPROVED_FULL": T.FULL, "REJECTED": T.NONE}
    assert found == Standing(S(after), tiers.get(meaning, tier))


@pytest.mark.parametrize("before", STANDINGS)
def test_an_unknown_word_changes_nothing(before: Standing) -> None:
    assert on_meaning(before, None) == before


@pytest.mark.parametrize(("before", "meaning"), list(itertools.product(STANDINGS, M)))
def test_no_word_makes_what_nobody_may_be(before: Standing, meaning: M) -> None:
    assert fault_of(on_meaning(before, meaning)) is None


@pytest.mark.parametrize("before", STANDINGS)
def test_a_person_alone_gains_nothing(before: Standing) -> None:
    after = on_start(before)
    assert after.tier == before.tier
    assert after.status in (before.status, S.STARTED)


def test_who_may_start() -> None:
    may = {f"{one.status} {one.tier}" for one in STANDINGS if can_start(one)}
    assert may == {
        "none none", "started none", "started basic", "started full",
        "resubmit none", "resubmit basic", "resubmit full", "approved basic",
    }  # fmt: skip


def test_what_lets_a_person_do_more_is_a_raise() -> None:
    none, basic = Standing(S.NONE, T.NONE), Standing(S.APPROVED, T.BASIC)
    full, refused = Standing(S.APPROVED, T.FULL), Standing(S.REJECTED, T.NONE)
    assert [is_raise(a, b) for a, b in ((none, basic), (basic, full), (refused, none))] == [True] * 3
    assert [is_raise(a, b) for a, b in ((full, basic), (basic, refused), (none, refused))] == [False] * 3


@pytest.mark.parametrize(
    ("status", "tier", "white_label", "widget"),
    [
        (S.NONE, T.NONE, NextStep.START, NextStep.NOTHING),
        (S.STARTED, T.NONE, NextStep.CONTINUE, NextStep.NOTHING),
        (S.IN_REVIEW, T.NONE, NextStep.WAIT, NextStep.WAIT),
        (S.APPROVED, T.BASIC, NextStep.RAISE, NextStep.NOTHING),
        (S.APPROVED, T.FULL, NextStep.NOTHING, NextStep.NOTHING),
        (S.REJECTED, T.NONE, NextStep.CONTACT_SUPPORT, NextStep.CONTACT_SUPPORT),
        (S.RESUBMIT, T.NONE, NextStep.TRY_AGAIN, NextStep.CONTACT_SUPPORT),
    ],
)
def test_what_is_next(status: S, tier: T, white_label: NextStep, widget: NextStep) -> None:
    standing = Standing(status, tier)
    found = next_step_of(standing, Line.WHITE_LABEL), next_step_of(standing, Line.WIDGET)
    assert found == (white_label, widget)
