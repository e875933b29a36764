"""The transition table of the money specification, every state against every class and every action.

The expectations are written out from the specification's rows, not computed from the code.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from onramp_app.providers.status import StatusClass
from onramp_app.top_ups.transitions import (
    CREATED,
    HOLD_REASONS,
    NO_ENTRY_REASONS,
    OPEN_SQL,
    Action,
    Charged,
    Posting,
    Reason,
    State,
    TopUpStatus,
    on_action,
    on_order,
)

# One letter per state, as in the specification; r is a review without an entry, R one with an entry,
# K an awaiting payment that was claimed.
STATES = {
    "C": CREATED,
    "A": State(TopUpStatus.AWAITING_PAYMENT, rank=10),
    "K": State(TopUpStatus.AWAITING_PAYMENT, charged=Charged.UNKNOWN, rank=20),
    "P": State(TopUpStatus.PROCESSING, charged=Charged.YES, rank=30),
    "S": State(TopUpStatus.SETTLED, charged=Charged.YES, rank=70, has_entry=True),
    "X": State(TopUpStatus.CANCELED),
    "E": State(TopUpStatus.EXPIRED, reason=Reason.TIMED_OUT, rank=10),
    "F": State(TopUpStatus.FAILED, reason=Reason.NAME_MISMATCH, rank=20),
    "r": State(TopUpStatus.IN_REVIEW, reason=Reason.AMOUNT_MISMATCH, charged=Charged.UNKNOWN, rank=20),
    "R": State(TopUpStatus.IN_REVIEW, reason=Reason.OVER_LIMIT, charged=Charged.YES, rank=70, has_entry=True),
    "V": State(TopUpStatus.REVERSED, charged=Charged.YES, rank=70, has_entry=True),
}

# "." is "the same, recorded". Columns are states in the order of STATES: C A K P S X E F r R V.
BY_CLASS = {
    #                              C A K P S X E F r R V
    StatusClass.OPENED:          "A . . . . . . . . . .",
    StatusClass.CLAIMED:         "K K . . . . . . . . .",
    StatusClass.PAID:            "P P P . . P P P P . .",
    StatusClass.BUYING:          "P P P . . P P P P . .",
    StatusClass.BOUGHT:          "P P P . . P P P P . .",
    StatusClass.SENDING:         "P P P . . P P P P . .",
    StatusClass.DELIVERED:       "S S S S . S S S S . .",
    StatusClass.TIMED_OUT:       "E E E r . . . . . . .",
    StatusClass.ABANDONED:       "X X X r . . . . . . .",
    StatusClass.NAME_MISMATCH:   "r r r r . r r r . . .",
    StatusClass.AMOUNT_MISMATCH: "r r r r . r r r . . .",
    StatusClass.UNKNOWN:         "C K . . . . . . . . .",
}  # fmt: skip

# A delivery that its network does not show yet.
AWAITED =                        "P P P . . P P P P . ."  # fmt: skip

# "-" is "not possible".
BY_ACTION = {
    #                       C A K P S X E F r R V
    Action.CANCEL:          "X X - - - - - - - - -",
    Action.EXPIRE:          "E E E - - - - - - - -",
    Action.GIVE_UP_UNKNOWN: "r r r r - - - - - - -",
    Action.RELEASE:         "- - - - - - - - - S -",
    Action.RETURN:          "- - - - - - - - - V -",
    Action.CLOSE:           "- - - - - - - - F - -",
    Action.REVERSE:         "- - - - V - - - - - -",
    Action.UNDO_REVERSE:    "- - - - - - - - - - S",
}  # fmt: skip


def _letter(state: State) -> str:
    if state.status is TopUpStatus.IN_REVIEW:
        return "R" if state.has_entry else "r"
    if state.status is TopUpStatus.AWAITING_PAYMENT:
        return "K" if state.charged is Charged.UNKNOWN else "A"
    return next(name for name, known in STATES.items() if known.status is state.status)


def test_the_tables_cover_every_state_class_and_action() -> None:
    assert {state.status for state in STATES.values()} == set(TopUpStatus)
    assert set(BY_CLASS) == set(StatusClass)
    assert set(BY_ACTION) == set(Action)
    assert {len(row.split()) for row in (*BY_CLASS.values(), *BY_ACTION.values())} == {len(STATES)}


@pytest.mark.parametrize("status_class", StatusClass)
@pytest.mark.parametrize("letter", STATES)
def test_each_state_meets_each_provider_class(letter: str, status_class: StatusClass) -> None:
    state = STATES[letter]
    expected = BY_CLASS[status_class].split()[list(STATES).index(letter)]
    step = on_order(state, status_class)
    if expected == ".":
        assert replace(step.state, rank=state.rank) == state
        assert step.posting is None
    else:
        assert _letter(step.state) == expected


@pytest.mark.parametrize("letter", STATES)
def test_each_state_meets_a_delivery_that_its_network_has_not_shown(letter: str) -> None:
    state, expected = STATES[letter], AWAITED.split()[list(STATES).index(letter)]
    step = on_order(state, StatusClass.DELIVERED, is_awaited=True)
    assert (step.posting, step.opens_case, step.needs_linked) == (None, False, False)
    if expected == ".":
        assert replace(step.state, rank=state.rank) == state
    else:
        assert (_letter(step.state), step.state.charged) == (expected, Charged.YES)
        assert step.state.rank < StatusClass.DELIVERED.rank


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("letter", STATES)
def test_each_state_meets_each_action(letter: str, action: Action) -> None:
    expected = BY_ACTION[action].split()[list(STATES).index(letter)]
    step = on_action(STATES[letter], action)
    assert (_letter(step.state) if step else "-") == expected


@pytest.mark.parametrize("letter", STATES)
def test_only_a_first_delivery_of_money_that_is_ours_asks_for_a_receive(letter: str) -> None:
    expected = None if letter in "SRV" else Posting.RECEIVE_AVAILABLE
    assert on_order(STATES[letter], StatusClass.DELIVERED).posting is expected


@pytest.mark.parametrize("hold", sorted(HOLD_REASONS))
@pytest.mark.parametrize("letter", "CAKPXEFr")
def test_a_delivery_that_may_not_be_used_yet_is_booked_and_held(letter: str, hold: Reason) -> None:
    step = on_order(STATES[letter], StatusClass.DELIVERED, hold=hold)
    assert (_letter(step.state), step.state.reason, step.posting) == ("R", hold, Posting.RECEIVE_HELD)
    assert step.opens_case
    assert step.state.charged is Charged.YES


@pytest.mark.parametrize("hold", sorted(NO_ENTRY_REASONS))
@pytest.mark.parametrize("letter", "CAKPXEFr")
def test_a_delivery_that_is_not_ours_or_unreadable_is_not_booked(letter: str, hold: Reason) -> None:
    step = on_order(STATES[letter], StatusClass.DELIVERED, hold=hold)
    assert (_letter(step.state), step.state.reason, step.posting) == ("r", hold, None)
    assert step.opens_case


def test_a_delivery_cannot_be_withheld_for_a_reason_that_is_none() -> None:
    with pytest.raises(ValueError, match="not a reason"):
        on_order(CREATED, StatusClass.DELIVERED, hold=Reason.TIMED_OUT)


@pytest.mark.parametrize("letter", "SRV")
def test_a_second_order_that_is_delivered_becomes_a_top_up_of_its_own(letter: str) -> None:
    second = on_order(STATES[letter], StatusClass.DELIVERED, is_other_order=True)
    again = on_order(STATES[letter], StatusClass.DELIVERED)
    assert (second.needs_linked, again.needs_linked) == (True, False)
    assert second.state == again.state == STATES[letter]


@pytest.mark.parametrize(
    "failure",
    [StatusClass.TIMED_OUT, StatusClass.ABANDONED, StatusClass.NAME_MISMATCH, StatusClass.AMOUNT_MISMATCH],
)
def test_a_failure_after_settling_changes_nothing_and_calls_a_person(failure: StatusClass) -> None:
    step = on_order(STATES["S"], failure)
    assert (step.state, step.opens_case) == (STATES["S"], True)


@pytest.mark.parametrize("letter", STATES)
def test_an_unknown_status_never_moves_money_and_raises_an_alarm(letter: str) -> None:
    step = on_order(STATES[letter], StatusClass.UNKNOWN)
    same = replace(step.state, charged=STATES[letter].charged)
    assert (same, step.posting, step.is_alarm) == (STATES[letter], None, True)


def test_with_an_unknown_status_nobody_says_that_the_person_was_not_charged() -> None:
    for letter, charged in (("C", "unknown"), ("A", "unknown"), ("K", "unknown"), ("P", "yes"), ("X", "no")):
        state = on_order(STATES[letter], StatusClass.UNKNOWN).state
        assert state.charged == charged
        assert not state.can_cancel
    for letter, charged in (("C", "unknown"), ("P", "yes")):
        given_up = on_action(STATES[letter], Action.GIVE_UP_UNKNOWN)
        assert given_up is not None
        assert given_up.state.charged == charged


def test_an_order_that_ends_does_not_end_a_top_up_whose_other_order_has_come_further() -> None:
    for failure in (StatusClass.TIMED_OUT, StatusClass.ABANDONED):
        for letter in "CAK":
            assert on_order(STATES[letter], failure, best_other_rank=10).state == STATES[letter]
        assert on_order(STATES["P"], failure, best_other_rank=30).state == STATES["P"]
        assert _letter(on_order(STATES["P"], failure, best_other_rank=20).state) == "r"
    mismatch = on_order(STATES["P"], StatusClass.NAME_MISMATCH, best_other_rank=30)
    assert (mismatch.state, mismatch.opens_case) == (STATES["P"], True)


def test_after_a_claim_the_answer_to_was_i_charged_stays_unknown() -> None:
    for failure in (StatusClass.TIMED_OUT, StatusClass.ABANDONED):
        assert on_order(STATES["K"], failure).state.charged is Charged.UNKNOWN
        assert on_order(STATES["A"], failure).state.charged is Charged.NO


def test_progress_never_goes_back() -> None:
    state = on_order(STATES["P"], StatusClass.SENDING).state
    assert state.rank == 60
    assert on_order(state, StatusClass.PAID).state == state


def test_what_was_returned_cannot_be_undone_as_a_reversal() -> None:
    returned = on_action(STATES["R"], Action.RETURN)
    assert returned is not None
    assert returned.state.reason is Reason.RETURNED
    assert on_action(returned.state, Action.UNDO_REVERSE) is None


def _lists_of_statuses(source: str) -> list[str]:
    """Return the lists that start with the status of a new top-up, in SQL and in Python."""
    in_sql = re.findall(r"'created'(?:, '[a-z_]+')+", source)
    return in_sql + re.findall(r"TopUpStatus\.CREATED,\s*TopUpStatus\.[A-Z_]+", source)


def test_which_top_ups_are_open_is_said_once(project_dir: Path) -> None:
    found = {
        path.relative_to(project_dir / "onramp_app").as_posix(): lists
        for path in (project_dir / "onramp_app").rglob("*.py")
        if (lists := _lists_of_statuses(path.read_text()))
    }
    # These read the table from a room below, which may not import the list of statuses.
    copies = {
        f"provider_orders/{name}.py": found.pop(f"provider_orders/{name}.py")
        for name in ("walks", "freshness")
    }
    assert {words for lists in copies.values() for words in lists} == {OPEN_SQL}
    assert list(found) == ["top_ups/transitions.py"]


@pytest.mark.parametrize(
    "copy",
    [
        "status IN ('created', 'awaiting_payment', 'in_review')",
        "_OPEN = (TopUpStatus.CREATED, TopUpStatus.AWAITING_PAYMENT)",
        "_OPEN = (\n    TopUpStatus.CREATED,\n    TopUpStatus.PROCESSING,\n)",
    ],
)
def test_control_a_copy_is_seen(copy: str) -> None:
    assert _lists_of_statuses(copy) not in ([], [OPEN_SQL])


@pytest.mark.parametrize("status", [TopUpStatus.SETTLED, TopUpStatus.REVERSED])
def test_a_settled_or_reversed_top_up_without_an_entry_cannot_exist(status: TopUpStatus) -> None:
    with pytest.raises(ValueError, match="has an entry"):
        State(status)


def test_an_open_top_up_with_an_entry_cannot_exist() -> None:
    with pytest.raises(ValueError, match="has no entry"):
        State(TopUpStatus.PROCESSING, has_entry=True)
