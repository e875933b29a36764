"""A case is open exactly as long as an operator has to look, in whichever order the reads come."""

from datetime import timedelta
from typing import Any

import pytest

from onramp_app.chain.networks import NETWORKS
from onramp_app.chain.servers import Servers
from onramp_app.chain.watcher import look_at_due
from onramp_app.config import get_settings
from onramp_app.crediting.apply import judge_again
from onramp_app.crediting.batch import REREADS
from onramp_app.domain.clock import now
from onramp_app.top_ups.moves import run_clock
from tests.chain.node import NAME, receipt, running_node
from tests.crediting.reads import apply_all, keep, keep_and_apply, order_of, recognition_id
from tests.crediting.world import World

TEN = 10 * 10**18
MISMATCH, DELIVERED, PAID, CLAIMED, UNKNOWN = -3, 4, 2, 1, 17


@pytest.mark.parametrize("are_read_together", [True, False])
async def test_a_delivery_answers_the_mismatch_of_an_order_before_it(
    world: World, *, are_read_together: bool
) -> None:
    user = world.user()
    top_up = world.top_up(user)
    recognition = recognition_id(world, top_up)
    await keep(order_of(1, MISMATCH, merchantRecognitionId=recognition))
    if not are_read_together:
        await apply_all()
        assert world.open_cases() == ["in_review"]
    await keep_and_apply(order_of(2, DELIVERED, merchantRecognitionId=recognition))
    assert (world.balance(user), world.state(top_up)["status"]) == ((TEN, 0), "settled")
    assert world.open_cases() == []


async def test_a_mismatch_that_is_read_after_a_delivery_is_looked_at(world: World) -> None:
    top_up = world.top_up(world.user())
    recognition = recognition_id(world, top_up)
    await keep(order_of(1, DELIVERED, merchantRecognitionId=recognition))
    await keep_and_apply(order_of(2, MISMATCH, merchantRecognitionId=recognition))
    assert (world.state(top_up)["status"], world.open_cases()) == ("settled", ["failed_after_settled"])


@pytest.mark.parametrize("other", [None, CLAIMED, PAID])
async def test_what_was_paid_and_has_an_unknown_status_is_handed_over_after_a_day(
    world: World, other: int | None
) -> None:
    """A second order keeps the top-up open if it was paid, not if somebody only claims to have paid it."""
    top_up = world.top_up(world.user())
    recognition = recognition_id(world, top_up)
    world.run("UPDATE top_ups SET created_at = now() - interval '3 days'")
    await keep_and_apply(order_of(1, PAID, merchantRecognitionId=recognition))
    if other is not None:
        await keep_and_apply(order_of(2, other, merchantRecognitionId=recognition))
    await keep_and_apply(order_of(1, UNKNOWN, merchantRecognitionId=recognition))
    await run_clock(now() + timedelta(days=30))
    assert world.state(top_up)["status"] == ("processing" if other == PAID else "in_review")


async def test_a_status_that_was_not_known_is_answered_without_an_owner_too(world: World) -> None:
    await keep_and_apply(order_of(1, UNKNOWN))
    await keep_and_apply(order_of(1, UNKNOWN + 1))
    assert world.open_cases() == ["unknown_status"]
    await keep_and_apply(order_of(1, PAID))
    assert world.open_cases() == []


@pytest.mark.parametrize("status", [UNKNOWN, PAID])
async def test_what_an_order_without_an_owner_raised_ends_where_it_gets_one(
    world: World, status: int
) -> None:
    top_up = world.top_up(world.user())
    await keep_and_apply(order_of(1, UNKNOWN))
    await keep_and_apply(order_of(1, status, merchantRecognitionId=recognition_id(world, top_up)))
    found = world.rows("SELECT kind, top_up_id FROM exceptions WHERE closed_at IS NULL")
    left = [{"kind": "unknown_status", "top_up_id": top_up}] if status == UNKNOWN else []
    assert found == left


async def _unreadable(world: World, **fields: Any) -> None:
    """Apply a delivery whose fee is missing from the provider's record until it becomes a case."""
    await keep_and_apply(order_of(1, DELIVERED, gasFee=None, **fields))
    for _ in range(REREADS):
        world.run("UPDATE provider_orders SET apply_after = now()")
        await apply_all()


@pytest.mark.parametrize("way", ["the provider says it", "another rule"])
async def test_an_amount_that_could_not_be_told_is_answered_once_it_can(
    world: World, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    await _unreadable(world)
    assert await judge_again() == 1
    await _unreadable(world)
    assert world.open_cases() == ["record_unreadable"]
    if way == "another rule":
        monkeypatch.setenv("ONRAMP_DELIVERED_RULE", "actual")
        get_settings.cache_clear()
        assert await judge_again() == 1
        await apply_all()
    else:
        await keep_and_apply(order_of(1, DELIVERED))
    assert world.open_cases() == ["suspense"]


@pytest.mark.parametrize("has_owner", [True, False])
async def test_nothing_waits_for_a_network_that_nobody_asks_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch, *, has_owner: bool
) -> None:
    monkeypatch.setenv("CHAIN_RPC", '{"matic20": ["http://127.0.0.1:9"]}')
    get_settings.cache_clear()
    top_up = world.top_up(world.user())
    of = {"merchantRecognitionId": recognition_id(world, top_up)} if has_owner else {}
    await keep_and_apply(order_of(1, DELIVERED, transactionHash=NAME, **of))
    servers = Servers(NETWORKS["matic20"], ("http://127.0.0.1:9",), confirmations=64)
    for minutes in (0, 6):
        assert await look_at_due(servers, at=now() + timedelta(minutes=minutes)) == 1
    await servers.close()
    assert await judge_again() == 1
    await apply_all()
    assert world.open_cases() == ["chain_away"]  # The control: the chain is still queried.
    monkeypatch.delenv("CHAIN_RPC")
    get_settings.cache_clear()
    assert await judge_again() == 1
    await apply_all()
    assert world.open_cases() == ([] if has_owner else ["suspense"])
    assert world.one("SELECT count(*) FROM ledger_transfers") == 1


async def test_a_delivery_whose_fee_nobody_says_is_credited_by_what_its_network_shows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = world.user()
    top_up = world.top_up(user)
    of = {"merchantRecognitionId": recognition_id(world, top_up), "transactionHash": NAME}
    await _unreadable(world, actualCryptoAmount="7.01", expectedCryptoAmount=7, **of)
    assert (world.state(top_up)["reason"], world.open_cases()) == ("amount_unreadable", ["in_review"])
    with running_node(results={"eth_getTransactionReceipt": receipt()}) as node:
        monkeypatch.setenv("CHAIN_RPC", f'{{"matic20": ["{node.url}"]}}')
        get_settings.cache_clear()
        assert await judge_again() == 1
        await apply_all()
        assert (world.state(top_up)["status"], world.open_cases()) == ("processing", [])
        servers = Servers(NETWORKS["matic20"], (node.url,), confirmations=64)
        assert await look_at_due(servers) == 1
        await servers.close()
    await apply_all()
    assert (world.balance(user), world.state(top_up)["status"]) == ((7 * 10**18, 0), "settled")
    assert world.open_cases() == []


async def test_a_block_that_leaves_before_anything_is_booked_is_waited_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that cannot be applied waits for up to ten minutes, while the looks at the chain continue."""
    monkeypatch.setenv("CHAIN_RPC", '{"matic20": ["http://127.0.0.1:9"]}')
    get_settings.cache_clear()
    user, name = world.user(), "0x" + "ab" * 32
    top_up = world.top_up(user)
    fields = {"merchantRecognitionId": recognition_id(world, top_up), "transactionHash": name}
    await keep_and_apply(order_of(1, DELIVERED, **fields))
    world.run(
        "UPDATE chain_evidence SET state = 'left', confirmed_at = now(), amount_minor = %s, block_number = 5,"
        " block_hash = %s, why = 'block 5 left the chain', looks_after = 5, next_look_at = NULL",
        TEN,
        "0x" + "cd" * 32,
    )
    world.run("UPDATE provider_orders SET applied_version = version - 1")
    await apply_all()
    assert (world.balance(user), world.state(top_up)["status"]) == ((0, 0), "processing")
    assert (
        world.one("SELECT state || ' ' || (next_look_at IS NOT NULL) FROM chain_evidence") == "waiting true"
    )
