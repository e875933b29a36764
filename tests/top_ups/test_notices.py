"""Each change that an owner has to know about is mailed once, atomically, to those who want it."""

import json
from typing import Any

import pytest

from onramp_app.review.decisions import decide
from onramp_app.top_ups.transitions import Action
from tests.desk import Desk


def _mails(desk: Desk) -> list[tuple[str, dict[str, str]]]:
    rows: list[tuple[Any, ...]] = desk.books.owner.execute(
        "SELECT kind, details FROM outbox_mails ORDER BY created_at, id"
    ).fetchall()
    return [(kind, json.loads(details)) for kind, details in rows]


async def test_each_decision_is_told_to_the_owner_with_the_amount(desk: Desk) -> None:
    top_up_id, _ = await desk.held(1_500_000_000_000_000_000)
    await decide(top_up_id, Action.RELEASE, mandate=desk.mandate)
    await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    await decide(top_up_id, Action.UNDO_REVERSE, mandate=desk.mandate)
    await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    mails = _mails(desk)
    assert [kind for kind, _ in mails] == [
        "top_up_released",
        "top_up_reversed",
        "top_up_settled",
        "top_up_reversed",
    ]
    assert mails[0][1] | {"top_up_id": top_up_id, "amount": "1.5", "asset": "USDT"} == mails[0][1]
    recipients = desk.books.owner.execute("SELECT DISTINCT recipient, user_id FROM outbox_mails").fetchall()
    user_id = desk.owner_of(top_up_id)
    assert recipients == [(f"{user_id}@example.org", user_id)]


async def test_a_review_that_ends_without_money_is_told_as_failed(desk: Desk) -> None:
    await decide(desk.in_review(), Action.CLOSE, mandate=desk.mandate)
    assert [kind for kind, _ in _mails(desk)] == ["top_up_failed"]


async def test_what_was_held_and_goes_back_says_so(desk: Desk) -> None:
    top_up_id, _ = await desk.held()
    await decide(top_up_id, Action.RETURN, mandate=desk.mandate)
    ((kind, details),) = _mails(desk)
    assert (kind, details["reason"]) == ("top_up_reversed", "returned")


@pytest.mark.parametrize(
    ("muted", "told"),
    [("reviews", ["top_up_reversed"]), ("money_added", ["top_up_released", "top_up_reversed"])],
)
async def test_people_get_only_the_notices_they_want_and_always_that_money_was_taken_back(
    desk: Desk, muted: str, told: list[str]
) -> None:
    top_up_id, _ = await desk.held()
    desk.books.owner.execute(
        "UPDATE users SET muted_mails = ARRAY[%s] WHERE id = %s", (muted, desk.owner_of(top_up_id))
    )
    await decide(top_up_id, Action.RELEASE, mandate=desk.mandate)
    await decide(top_up_id, Action.REVERSE, mandate=desk.mandate)
    assert [kind for kind, _ in _mails(desk)] == told


async def test_a_refused_decision_leaves_no_mail(desk: Desk) -> None:
    top_up_id, _ = await desk.settled()
    with pytest.raises(Exception, match="settled"):
        await decide(top_up_id, Action.RELEASE, mandate=desk.mandate)
    assert _mails(desk) == []
