"""Deliveries count only once their network shows them: each chain scenario ends as the table says.

Each proof has a control variant that it catches: without the claim, without the confirmations.
"""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from onramp_app.chain import receipts, servers, watcher
from onramp_app.config import get_settings
from onramp_app.crediting.reconciliation import reconcile
from onramp_app.domain.clock import now
from onramp_app.ledger.rules import RULES
from onramp_app.providers.connection import get_provider
from tests.crediting.pages import CHARGED, REVIEW, page_for
from tests.crediting.world import World

SCALE = 10**18
CONFIRMATIONS = 5  # blocks of 10 ms


@pytest.fixture
async def chain(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world, with Polygon's chain read by the application itself."""
    use_servers(world, monkeypatch)
    return world


def use_servers(world: World, monkeypatch: pytest.MonkeyPatch, *, confirmations: int = CONFIRMATIONS) -> None:
    rpc = {"matic20": [f"{world.simulator.base}/chain/matic20"]}
    monkeypatch.setenv("CHAIN_RPC", json.dumps(rpc))
    monkeypatch.setenv("CHAIN_CONFIRMATIONS", json.dumps({"matic20": confirmations}))
    monkeypatch.setattr(watcher, "TICK_SECONDS", 0.1)
    get_settings.cache_clear()
    servers.get_servers.cache_clear()


async def pay(world: World, *, steps: tuple[int, ...] = (2, 4), **scenario: Any) -> tuple[str, str, int]:
    user = world.user()
    top_up = world.top_up(user)
    if scenario:
        world.simulator.scenario(**scenario)
    order = world.open_order(top_up)
    for status in steps:
        world.simulator.move(order, status)
    return user, top_up, order


def recorded(world: World, order_id: int) -> int:
    """Return the delivered amount by the provider's record and the delivered rule, in minor units."""
    order = world.simulator.order(order_id)
    return int((Decimal(str(order["actualCryptoAmount"])) - Decimal(str(order["gasFee"]))) * SCALE)


def evidence(world: World, order_id: int) -> dict[str, Any]:
    (row,) = world.rows(
        "SELECT c.* FROM chain_evidence c JOIN provider_orders o ON o.id = c.provider_order_id"
        " WHERE o.order_id = %s",
        str(order_id),
    )
    return row


def pass_time(world: World, **columns: str) -> None:
    """Backdate columns of the chain evidence, each by an age, and make the next look due now."""
    changes = ", ".join(f"{name} = now() - interval '{age}'" for name, age in columns.items())
    world.run(f"UPDATE chain_evidence SET {changes}, next_look_at = now()")


def steps_of(world: World, top_up: str) -> list[tuple[str, str | None, str]]:
    rows = world.rows(
        "SELECT status, reason, source FROM top_up_steps WHERE top_up_id = %s ORDER BY id", top_up
    )
    return [(row["status"], row["reason"], row["source"]) for row in rows]


async def test_a_delivery_is_credited_once_the_network_shows_it(chain: World) -> None:
    async with chain.running():
        user, top_up, order = await pay(chain)
        settled = await chain.ends(top_up, "settled")
    # Checked by the timeline: the blocks of this chain may come faster than looks at the top-up.
    arriving = chain.rows(
        "SELECT status, charged FROM top_up_steps WHERE top_up_id = %s AND status_class = 'delivered'"
        " ORDER BY id LIMIT 1",
        top_up,
    )
    assert arriving == [{"status": "processing", "charged": "yes"}]
    assert chain.balance(user) == (recorded(chain, order), 0)
    assert settled["received_minor"] == recorded(chain, order)
    shown = evidence(chain, order)
    assert (shown["state"], int(shown["amount_minor"])) == ("confirmed", recorded(chain, order))
    assert shown["block_number"]
    assert chain.one("SELECT count(*) FROM chain_claims WHERE log_index = 0") == 1
    assert steps_of(chain, top_up)[-1] == ("settled", None, "chain")
    assert not chain.open_cases()


async def test_the_rule_and_the_figures_do_not_matter(chain: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONRAMP_DELIVERED_RULE", "actual")
    get_settings.cache_clear()
    async with chain.running():
        user, top_up, order = await pay(chain)
        await chain.ends(top_up, "settled")
    assert chain.balance(user) == (recorded(chain, order), 0)
    assert not chain.open_cases()


async def test_without_servers_everything_is_as_before(world: World) -> None:
    async with world.running():
        _, top_up, _ = await pay(world, name="chain_missing", value="absent")
        await world.ends(top_up, "settled")
    assert not world.rows("SELECT FROM chain_evidence")


async def test_what_arrived_short_is_credited_and_looked_at(chain: World) -> None:
    async with chain.running():
        user, top_up, order = await pay(chain, name="chain_differs", value="0.5")
        await chain.ends(top_up, "settled")
    available, held = chain.balance(user)
    assert held == 0
    assert abs(available - recorded(chain, order) // 2) < 10**13
    assert evidence(chain, order)["state"] == "differs"
    assert chain.open_cases() == ["chain_differs"]


async def test_what_arrived_in_excess_is_held(chain: World) -> None:
    async with chain.running():
        user, top_up, order = await pay(chain, name="chain_differs", value="1.5")
        ended = await chain.ends(top_up, "in_review")
    available, held = chain.balance(user)
    assert (ended["reason"], ended["has_entry"], available) == ("chain_differs", True, 0)
    assert held == int(evidence(chain, order)["amount_minor"]) > recorded(chain, order)
    assert chain.open_cases() == ["held"]


@pytest.mark.parametrize("fault", ["failed", "elsewhere"])
async def test_what_the_network_shows_otherwise_is_missing(chain: World, fault: str) -> None:
    async with chain.running():
        user, top_up, _ = await pay(chain, name="chain_missing", value=fault)
        ended = await chain.ends(top_up, "in_review")
    assert (ended["reason"], ended["charged"], ended["has_entry"]) == ("chain_missing", "yes", False)
    assert chain.balance(user) == (0, 0)
    assert chain.open_cases() == ["in_review"]
    assert chain.one("SELECT next_look_at > now() FROM chain_evidence") is True


@pytest.mark.parametrize("fault", ["absent", "no_hash"])
async def test_what_is_not_there_for_half_an_hour_is_missing(chain: World, fault: str) -> None:
    async with chain.running():
        user, top_up, order = await pay(chain, name="chain_missing", value=fault)
        await chain.until(lambda: chain.rows("SELECT FROM chain_evidence WHERE read_at IS NOT NULL"))
        assert chain.state(top_up)["status"] == "processing"
        pass_time(chain, since="29 minutes", unseen_since="29 minutes")
        await chain.until(lambda: evidence(chain, order)["next_look_at"] > evidence(chain, order)["read_at"])
        assert chain.state(top_up)["status"] == "processing"
        pass_time(chain, since="31 minutes", unseen_since="31 minutes")
        ended = await chain.ends(top_up, "in_review")
    assert (ended["reason"], chain.balance(user)) == ("chain_missing", (0, 0))


async def test_what_is_mined_after_it_was_missing_is_credited(chain: World) -> None:
    async with chain.running():
        user, top_up, order = await pay(chain, name="chain_slow", value="3")
        await chain.until(lambda: chain.rows("SELECT FROM chain_evidence WHERE read_at IS NOT NULL"))
        pass_time(chain, unseen_since="31 minutes")
        await chain.ends(top_up, "in_review")
        assert chain.open_cases() == ["in_review"]
        await chain.ends(top_up, "settled")
    assert chain.balance(user) == (recorded(chain, order), 0)
    assert not chain.open_cases()


async def test_a_slow_network_is_waited_for(chain: World) -> None:
    async with chain.running():
        _, top_up, _ = await pay(chain, name="chain_slow", value="2")
        await chain.until(lambda: chain.rows("SELECT FROM chain_evidence WHERE read_at IS NOT NULL"))
        assert chain.state(top_up)["status"] == "processing"
        await chain.ends(top_up, "settled")


async def _reorganised(chain: World) -> tuple[list[int], str]:
    """Return the blocks in which the transaction was seen, in order, and the last one's hash."""
    seen: list[int] = []
    async with chain.running():
        _, top_up, order = await pay(chain, name="chain_reorganised", value="before")

        def is_settled() -> bool:
            number = (
                evidence(chain, order)["block_number"] if chain.rows("SELECT FROM chain_evidence") else None
            )
            if number is not None and number not in seen:
                seen.append(number)
            return bool(chain.state(top_up)["status"] == "settled")

        await chain.until(is_settled)
        return seen, str(evidence(chain, order)["block_hash"])


async def _stands(chain: World, number: int, block_hash: str) -> bool:
    (sight,) = [sight async for sight in servers.get_servers()["matic20"].sights()]
    block = await servers.read_block(sight.server, number)
    return block is not None and block.hash == block_hash


async def test_a_block_that_leaves_before_its_confirmations_is_waited_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_servers(world, monkeypatch, confirmations=200)
    seen, block_hash = await _reorganised(world)
    assert await _stands(world, seen[-1], block_hash)


async def test_control_without_confirmations_a_block_is_believed_that_leaves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_servers(world, monkeypatch, confirmations=200)

    async def hasty(sight: servers.Sight, name: str, **_: Any) -> receipts.Look:
        receipt = await sight.server.call("eth_getTransactionReceipt", name)
        if receipt is None:
            return receipts.NOTHING
        arrived = (receipts.Transfer(0, int(receipt["logs"][0]["data"], 16)),)
        number = int(receipt["blockNumber"], 16)
        return receipts.Look(receipts.Found.ARRIVED, number, receipt["blockHash"], arrived)

    monkeypatch.setattr(watcher, "look_up", hasty)
    seen, block_hash = await _reorganised(world)
    assert not await _stands(world, seen[-1], block_hash)


async def test_a_block_that_leaves_after_the_credit_makes_a_case_and_takes_nothing_back(
    chain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each look requested below resets the count of misses, so a look has to end between two requests.
    monkeypatch.setattr(watcher, "TICK_SECONDS", 1.0)
    async with chain.running():
        user, top_up, order = await pay(chain, name="chain_reorganised", value="after")
        await chain.ends(top_up, "settled")
        # The simulator removes the block when it is read once more with enough confirmations.
        await chain.until(lambda: _look_again(chain, order) == "left", seconds=20)
    assert chain.open_cases() == ["chain_left"]
    assert chain.balance(user) == (recorded(chain, order), 0)
    assert chain.state(top_up)["status"] == "settled"


def _look_again(world: World, order: int) -> str:
    world.run("UPDATE chain_evidence SET next_look_at = now(), looks_after = 0")
    return str(evidence(world, order)["state"])


async def _same_hash(chain: World) -> tuple[str, str]:
    async with chain.running():
        _, first, _ = await pay(chain)
        await chain.ends(first, "settled")
        _, second, _ = await pay(chain, name="chain_same_hash")
        await chain.until(lambda: chain.state(second)["status"] in ("settled", "in_review"))
    return first, second


async def test_one_transfer_credits_one_order(chain: World) -> None:
    _, second = await _same_hash(chain)
    ended = chain.state(second)
    assert (ended["status"], ended["reason"], ended["has_entry"]) == ("in_review", "chain_missing", False)
    assert (await page_for(ended["user_id"], second)).title == REVIEW
    assert chain.one("SELECT why FROM chain_evidence WHERE state = 'missing'") == (
        "another order has this transfer"
    )


async def test_a_transfer_that_was_credited_before_anybody_looked_credits_no_other_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.running():
        _, first, _ = await pay(world)
        await world.ends(first, "settled")
    assert not world.rows("SELECT FROM chain_claims")
    use_servers(world, monkeypatch)
    async with world.running():
        user, second, _ = await pay(world, name="chain_same_hash")
        ended = await world.ends(second, "in_review")
    assert (ended["reason"], world.balance(user)) == ("chain_missing", (0, 0))


@pytest.mark.full
async def test_control_without_the_claim_one_transfer_credits_two(
    chain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claim_nothing(*_args: Any, **_named: Any) -> bool:
        return True

    monkeypatch.setattr(watcher, "claim_transfers", claim_nothing)
    chain.run("DROP INDEX uq_chain_evidence_confirmed")
    _, second = await _same_hash(chain)
    assert chain.state(second)["status"] == "settled"
    assert "evidence_has_its_claims" in await chain.findings()
    chain.is_sound = False


async def test_the_servers_may_be_away(chain: World) -> None:
    async with chain.running():
        chain.simulator.scenario("chain_away", times=None)
        user, top_up, order = await pay(chain)
        await chain.until(lambda: chain.rows("SELECT FROM chain_evidence WHERE state = 'away'"))
        assert chain.state(top_up)["status"] == "processing"
        page = await page_for(user, top_up)
        assert (page.title, page.charged) == ("Your money is on its way", CHARGED)
        assert not chain.open_cases()
        pass_time(chain, away_since="6 minutes")
        await chain.until(chain.open_cases)
        assert chain.open_cases() == ["chain_away"]
        chain.simulator.control("scenario", method="DELETE")
        pass_time(chain, since="1 minute")
        await chain.ends(top_up, "settled")
    assert chain.balance(user) == (recorded(chain, order), 0)
    assert not chain.open_cases()


async def test_an_order_of_nobody_waits_for_the_network_too(chain: World) -> None:
    async with chain.running():
        await pay(chain, name="unknown_order")
        await chain.until(lambda: chain.rows("SELECT FROM chain_evidence"))
        await chain.until(lambda: chain.rows("SELECT FROM ledger_transfers"))
    assert chain.open_cases() == ["suspense"]
    assert chain.one("SELECT state FROM chain_evidence") == "confirmed"


async def test_an_order_of_nobody_that_is_missing_makes_a_case(chain: World) -> None:
    async with chain.running():
        chain.simulator.scenario("chain_missing", value="failed")
        await pay(chain, name="unknown_order")
        await chain.until(chain.open_cases)
    assert chain.open_cases() == ["chain_missing"]
    assert not chain.rows("SELECT FROM ledger_transfers")


async def test_a_second_payment_is_told_of_once_its_network_shows_it(chain: World) -> None:
    async with chain.running():
        user, top_up, first = await pay(chain)
        await chain.ends(top_up, "settled")
        chain.simulator.scenario("chain_slow", value="2")
        second = chain.open_order(top_up)
        chain.simulator.move(second, 4)
        await chain.until(lambda: chain.rows("SELECT FROM chain_evidence WHERE state = 'waiting'"))
        awaited = "SELECT status FROM top_up_steps WHERE strpos(detail, 'awaited') > 0"
        assert [row["status"] for row in chain.rows(awaited)] == ["processing"]
        await chain.until(lambda: chain.rows("SELECT FROM top_ups WHERE linked_to = %s", top_up))
    (linked,) = chain.rows("SELECT status FROM top_ups WHERE linked_to = %s", top_up)
    assert linked["status"] == "settled"
    assert chain.balance(user) == (recorded(chain, first) + recorded(chain, second), 0)


async def test_the_comparison_with_the_provider_goes_by_what_the_network_shows(chain: World) -> None:
    async with chain.running():
        _, short, order = await pay(chain, name="chain_differs", value="0.5")
        await chain.ends(short, "settled")
        _, missing, lost = await pay(chain, name="chain_missing", value="failed")
        await chain.ends(missing, "in_review")
        _, waiting, _ = await pay(chain, name="chain_missing", value="absent")
        await chain.ends(waiting, "processing")
        await chain.until(lambda: len(chain.rows("SELECT FROM chain_evidence")) == 3)
        found = await reconcile(get_provider(), since=now() - timedelta(days=1))
        for _ in range(50):
            if not any(drift.what == "not applied: waits" for drift in found.drifts):
                break
            await asyncio.sleep(0.2)  # It was only just read.
            found = await reconcile(get_provider(), since=now() - timedelta(days=1))
    assert [(drift.order_id, drift.what) for drift in found.drifts] == [
        (str(lost), "not on the network: the transaction failed")
    ]
    chain.run("UPDATE chain_evidence SET amount_minor = amount_minor + 1 WHERE state = 'differs'")
    found = await reconcile(get_provider(), since=now() - timedelta(days=1))
    assert (str(order), "booked with another amount") in [(one.order_id, one.what) for one in found.drifts]
    chain.is_sound = False


async def test_a_coin_of_its_own_is_the_value_of_the_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSETS", '{"MATIC": ["matic20"]}')
    world.run("INSERT INTO assets VALUES ('MATIC', 18, now()) ON CONFLICT DO NOTHING")
    use_servers(world, monkeypatch)
    user = world.user()
    top_up = world.top_up(user, asset="MATIC")
    async with world.running():
        order = world.open_order(top_up)
        world.simulator.move(order, 4)
        await world.ends(top_up, "settled")
    assert world.balance(user, "MATIC") == (recorded(world, order), 0)
    assert world.one("SELECT log_index FROM chain_claims") == -1


async def test_a_network_that_is_not_read_any_more_is_believed_as_before(
    chain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chain.running():
        _, top_up, order = await pay(chain, name="chain_missing", value="absent")
        await chain.until(lambda: chain.rows("SELECT FROM chain_evidence"))
    monkeypatch.delenv("CHAIN_RPC")
    get_settings.cache_clear()
    await servers.close()
    async with chain.running():
        await chain.ends(top_up, "settled")
    assert evidence(chain, order)["state"] == "dropped"


_PLANTED = (
    ("UPDATE chain_evidence SET amount_minor = amount_minor + 1", "delivered_is_what_the_network_shows"),
    ("UPDATE chain_evidence SET state = 'waiting'", "delivered_is_what_the_network_shows"),
    ("DELETE FROM chain_claims", "evidence_has_its_claims"),
    ("UPDATE chain_evidence SET transaction_hash = '0x' || repeat('a', 64)", "evidence_has_its_claims"),
    ("DELETE FROM chain_evidence", "delivered_is_what_was_told"),
)


async def test_evidence_that_does_not_fit_the_books_is_found(chain: World, subtests: pytest.Subtests) -> None:
    async with chain.running():
        _, top_up, _ = await pay(chain, name="chain_differs", value="0.5")
        await chain.ends(top_up, "settled")
    assert await chain.findings() == set()
    for planted, rule in _PLANTED:
        with subtests.test(planted), chain.owner.transaction(force_rollback=True):
            chain.run(planted)
            assert chain.rows(f"{RULES[rule]} LIMIT 1"), rule
