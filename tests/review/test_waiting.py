"""An operator can close a case that needs no decision, but not one that is waiting for a decision."""

import pytest

from onramp_app.domain.errors import Forbidden, NotFound
from onramp_app.fleet import changed_people
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.mandate import Mandate
from onramp_app.review.waiting import close_case, waiting_cases
from tests import rows
from tests.desk import REASON, Desk, unknown_id


async def _id_of(kind: str) -> str:
    (found,) = [item.id for item in (await waiting_cases(limit=100)).items if item.kind == kind]
    return found


@pytest.mark.parametrize(
    "kind", ["not_ours", "failed_after_settled", "unknown_status", "apply_failed", "record_unreadable"]
)
async def test_a_case_that_only_needs_a_look_is_closed_with_a_reason(desk: Desk, kind: str) -> None:
    top_up_id, _ = await desk.settled()
    desk.books.open_case(kind, top_up_id=top_up_id)
    case_id = await _id_of(kind)
    before = desk.books.accounts()
    assert (await close_case(case_id, mandate=desk.mandate)).kind == kind
    closed = desk.books.owner.execute(
        "SELECT closed_at IS NOT NULL, closed_by, close_reason FROM exceptions"
    ).fetchall()
    assert closed == [(True, desk.operator_id, REASON)]
    assert desk.audit() == [(desk.operator_id, "review.close_exception", case_id)]
    assert desk.books.accounts() == before
    assert desk.top_up(top_up_id)[0] == "settled"


async def test_the_persons_pages_learn_when_their_payment_is_no_longer_looked_for(
    desk: Desk,
) -> None:
    owner, user_id = desk.books.owner, desk.books.user()
    desk.books.open_case("not_found", top_up_id=rows.top_up(owner, user_id, status="canceled"))
    owner.execute("LISTEN user_changed")
    await close_case(await _id_of("not_found"), mandate=desk.mandate)
    await changed_people.close()
    assert [one.payload for one in owner.notifies(timeout=10, stop_after=1)] == [user_id]


async def test_a_case_that_stands_for_a_decision_is_not_closed(desk: Desk) -> None:
    await desk.held()
    await desk.suspense()
    desk.in_review()
    before = desk.everything()
    for kind, why in (
        ("held", "release or return"),
        ("suspense", "attribute"),
        ("in_review", "close the top-up"),
    ):
        with pytest.raises(ActionNotPossible, match=why):
            await close_case(await _id_of(kind), mandate=desk.mandate)
    with pytest.raises(NotFound, match="no such case"):
        await close_case(unknown_id(), mandate=desk.mandate)
    with pytest.raises(Forbidden):
        await close_case(await _id_of("held"), mandate=Mandate(desk.books.user(), REASON, "x"))
    assert desk.everything() == before


async def test_a_case_of_a_review_that_is_over_is_closed(desk: Desk) -> None:
    top_up_id, _ = await desk.settled()
    desk.books.open_case("in_review", top_up_id=top_up_id)
    await close_case(await _id_of("in_review"), mandate=desk.mandate)
    assert (desk.open_kinds(), desk.top_up(top_up_id)[0]) == ([], "settled")


async def test_the_list_is_cut_at_its_limit_and_has_the_total(desk: Desk) -> None:
    for _ in range(4):
        desk.in_review()
    found = await waiting_cases(limit=3)
    assert (len(found.items), found.total) == (3, 4)
    assert [item.id for item in found.items] == sorted(item.id for item in found.items)
