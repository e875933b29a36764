"""While no server of a network answers, an operator may credit by the provider's word, with a reason."""

from datetime import timedelta
from typing import Any

import pytest

from onramp_app.config import get_settings
from onramp_app.domain.clock import now
from onramp_app.domain.errors import Forbidden
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import SecondOperatorNeeded
from onramp_app.review.by_hand import credit
from tests.chain.deliveries import waiting
from tests.desk import Desk, unknown_id

AMOUNT = 3 * 10**18


def away(desk: Desk, *, minutes: int = 6, user_id: str | None = None, **evidence: Any) -> tuple[str, str]:
    """A top-up whose delivery waits for a network that nobody can read."""
    top_up_id = desk.books.top_up(user_id or desk.books.user())
    away_since = {"state": "away", "away_since": now() - timedelta(minutes=minutes)}
    order_row = waiting(desk.books, AMOUNT, top_up_id=top_up_id, **{**away_since, **evidence})
    desk.books.open_case("chain_away", top_up_id=top_up_id, order_row=order_row)
    return top_up_id, order_row


async def test_it_is_credited_once_with_the_provider_s_amount(desk: Desk) -> None:
    top_up_id, order_row = away(desk)
    user_id = desk.owner_of(top_up_id)
    done = await credit(top_up_id, mandate=desk.mandate)
    assert (done.status, done.amount, done.asset, done.done) == ("settled", "3", "USDT", "credited")
    assert desk.books.accounts()[f"user:{user_id}:USDT:available"] == -AMOUNT
    assert desk.top_up(top_up_id) == ("settled", None, "yes", True)
    assert desk.timeline(top_up_id) == [("settled", "operator", desk.operator_id, "credited")]
    assert desk.audit() == [(desk.operator_id, "review.credit", top_up_id)]
    assert desk.open_kinds() == []
    kept = desk.books.owner.execute(
        "SELECT c.credited_by, o.delivered_minor FROM chain_evidence c"
        " JOIN provider_orders o ON o.id = c.provider_order_id WHERE o.id = %s",
        (order_row,),
    ).fetchone()
    assert kept == (desk.operator_id, AMOUNT)
    with pytest.raises(ActionNotPossible, match="Nothing of this top-up waits"):
        await credit(top_up_id, mandate=desk.mandate)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"minutes": 4}, "after five minutes without one you may"),
        ({"state": "waiting", "away_since": None}, "The network decides while a server of matic20 answers"),
        ({"state": "missing"}, "The network decides"),
        ({"recorded_minor": None}, "does not say how much arrived"),
        ({"network": "erc20"}, "wait for the network"),
    ],
)
async def test_the_network_decides_where_it_can(desk: Desk, changes: dict[str, Any], why: str) -> None:
    top_up_id, _ = away(desk, **changes)
    before = desk.everything()
    with pytest.raises(ActionNotPossible, match=why):
        await credit(top_up_id, mandate=desk.mandate)
    assert desk.everything() == before


async def test_nobody_credits_their_own_or_a_frozen_account(desk: Desk) -> None:
    own, _ = away(desk, user_id=desk.operator_id)
    with pytest.raises(Forbidden, match="your own account"):
        await credit(own, mandate=desk.mandate)
    frozen, _ = away(desk, transaction_hash="0x" + "ee" * 32)
    desk.books.owner.execute("UPDATE users SET frozen_at = now() WHERE id = %s", (desk.owner_of(frozen),))
    with pytest.raises(ActionNotPossible, match="frozen"):
        await credit(frozen, mandate=desk.mandate)
    with pytest.raises(ActionNotPossible):
        await credit(unknown_id(), mandate=desk.mandate)


async def test_above_the_threshold_a_second_operator_confirms(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOUR_EYES_ABOVE", '{"currency": "USD", "amount": "0"}')
    get_settings.cache_clear()
    top_up_id, _ = away(desk)
    with pytest.raises(SecondOperatorNeeded) as needed:
        await credit(top_up_id, mandate=desk.mandate)
    assert desk.top_up(top_up_id)[0] == "processing"
    second = desk.mandate_of(desk.operator(), confirms=needed.value.proposal)
    assert (await credit(top_up_id, mandate=second)).status == "settled"
