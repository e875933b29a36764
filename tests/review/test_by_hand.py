"""While no server of a network answers, an operator may credit on the provider's word, with a reason."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.chain import claims
from onramp_app.chain.tables import ChainEvidence
from onramp_app.config import get_settings
from onramp_app.domain.clock import now
from onramp_app.domain.errors import Forbidden
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import SecondOperatorNeeded
from onramp_app.review import by_hand
from onramp_app.review.by_hand import credit
from tests import rows
from tests.chain.deliveries import waiting
from tests.chain.node import NAME, OURS
from tests.desk import Desk, unknown_id

AMOUNT = 3 * 10**18


def away(desk: Desk, *, minutes: int = 6, user_id: str | None = None, **evidence: Any) -> tuple[str, str]:
    """Create a top-up whose delivery waits for an unavailable network. Returns its id and its order row's."""
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


async def test_one_transaction_is_credited_by_hand_once(desk: Desk) -> None:
    first, _ = away(desk)
    second, _ = away(desk)  # names the same transaction
    another, _ = away(desk, transaction_hash="0x" + "ee" * 32)
    assert (await credit(first, mandate=desk.mandate)).status == "settled"
    before = desk.everything()
    with pytest.raises(ActionNotPossible, match=f"Transaction {NAME} was credited for another order"):
        await credit(second, mandate=desk.mandate)
    assert desk.everything() == before
    assert (await credit(another, mandate=desk.mandate)).status == "settled"


@pytest.mark.parametrize("address", [OURS, "0x" + "77" * 20])  # The second: another of its transfers.
async def test_what_another_order_has_claimed_is_not_credited_by_hand(desk: Desk, address: str) -> None:
    await desk.settled(AMOUNT)
    (order,) = desk.books.owner.execute("SELECT id FROM provider_orders").fetchone()
    proof = {"state": "confirmed", "confirmed_at": now(), "amount_minor": AMOUNT, "recorded_minor": AMOUNT}
    block = {"block_number": 5, "block_hash": "0x" + "ab" * 32}
    place = {"environment": "simulator", "asset": "USDT", "network": "matic20", "address": address}
    rows.insert(
        desk.books.owner,
        "chain_evidence",
        **{**proof, **block, **place},
        provider_order_id=order,
        transaction_hash=NAME,
        why="",
        since=now(),
        unseen_since=now(),
    )
    rows.insert(
        desk.books.owner,
        "chain_claims",
        network="matic20",
        transaction_hash=NAME,
        log_index=3,
        provider_order_id=order,
        units=3 * 10**6,
        claimed_at=now(),
    )
    top_up_id, _ = away(desk)
    if address == OURS:
        with pytest.raises(ActionNotPossible, match="was credited for another order"):
            await credit(top_up_id, mandate=desk.mandate)
    else:
        assert (await credit(top_up_id, mandate=desk.mandate)).status == "settled"


async def _both_at_once(desk: Desk, name: str) -> list[str]:
    """Let two operators credit two deliveries with the same transaction. Returns the outcomes' types."""
    deliveries = [away(desk, transaction_hash=name)[0] for _ in range(2)]
    mandates = [desk.mandate, desk.mandate_of(desk.operator())]
    outcomes = await asyncio.gather(
        *(credit(one, mandate=mandate) for one, mandate in zip(deliveries, mandates, strict=True)),
        return_exceptions=True,
    )
    return sorted(type(one).__name__ for one in outcomes)


async def test_of_two_operators_who_credit_one_transaction_at_once_one_wins(desk: Desk) -> None:
    for number in range(6):
        name = "0x" + f"{number:02}" * 32
        assert await _both_at_once(desk, name) == ["ActionNotPossible", "Decision"]
    assert desk.books.count("ledger_transfers") == len(desk.audit()) == 6


async def test_control_without_the_lock_both_operators_credit_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_looked = asyncio.Barrier(2)

    async def unlocked(_db: AsyncSession, _evidences: list[ChainEvidence]) -> None:
        return

    async def looked(db: AsyncSession, evidence: ChainEvidence) -> bool:
        is_taken = await claims.is_taken(db, evidence)
        await both_looked.wait()
        return is_taken

    monkeypatch.setattr(by_hand, "lock_transactions", unlocked)
    monkeypatch.setattr(by_hand, "is_taken", looked)
    assert await _both_at_once(desk, NAME) == ["Decision", "Decision"]


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
