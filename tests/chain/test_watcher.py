"""Looks at a network happen once, are stored under locks, and delay nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from onramp_app.chain import rpc, watcher
from onramp_app.chain.claims import lock_transactions
from onramp_app.chain.networks import NETWORKS
from onramp_app.chain.servers import Servers
from onramp_app.chain.tables import ChainEvidence
from onramp_app.chain.verdicts import LOOKS_AFTER
from onramp_app.chain.watcher import AT_ONCE, keep_looking, look_at_due
from onramp_app.db.engine import transaction
from onramp_app.domain.clock import now
from onramp_app.provider_orders.tables import OrderRecord
from tests.chain.deliveries import open_kinds, shown, waiting
from tests.chain.node import BLOCK_HASH, NUMBER, Node, log, receipt, running_node
from tests.ledger.books import Books

AMOUNT = 7 * 10**18  # what the node's transfer brings, in the books' 18 decimals


@pytest.fixture
async def books(database: str) -> Books:
    return Books(database)


@pytest.fixture
def node() -> Iterator[Node]:
    with running_node(results={"eth_getTransactionReceipt": receipt()}) as node:
        yield node


@pytest.fixture
async def servers(node: Node) -> AsyncIterator[Servers]:
    servers = Servers(NETWORKS["matic20"], (node.url,), confirmations=64)
    yield servers
    await servers.close()


def is_to_apply(books: Books, order_row: str) -> bool:
    found = books.owner.execute(
        "SELECT version > applied_version FROM provider_orders WHERE id = %s", (order_row,)
    ).fetchone()
    return bool(found and found[0])


async def test_what_arrived_is_kept_claimed_and_judged_again(books: Books, servers: Servers) -> None:
    order = waiting(books, AMOUNT)
    assert await look_at_due(servers) == 1
    assert shown(books, order, "state", "amount_minor", "block_number", "block_hash") == (
        "confirmed",
        AMOUNT,
        NUMBER,
        BLOCK_HASH,
    )
    claims = books.owner.execute("SELECT log_index, provider_order_id, units FROM chain_claims").fetchall()
    assert claims == [(3, order, 7_000_000)]
    assert is_to_apply(books, order)
    (next_look_at,) = shown(books, order, "next_look_at")
    assert timedelta(0) < next_look_at - now() <= LOOKS_AFTER[0]


async def test_a_look_is_made_once_however_many_processes_look(
    books: Books, servers: Servers, node: Node
) -> None:
    for number in range(5):
        waiting(books, AMOUNT, transaction_hash=f"0x{number:064x}")
    node.results["eth_getTransactionReceipt"] = None
    made = await asyncio.gather(*(look_at_due(servers) for _ in range(4)))
    assert sum(made) == 5
    assert node.asked.count("eth_getTransactionReceipt") == 5


async def test_two_orders_that_are_looked_at_at_once_get_one_transfer(books: Books, servers: Servers) -> None:
    orders = [waiting(books, AMOUNT), waiting(books, AMOUNT)]
    await look_at_due(servers)
    states = sorted(shown(books, order, "state", "why") for order in orders)
    assert states == [("confirmed", ""), ("missing", "another order has this transfer")]
    assert books.count("chain_claims") == 1


async def test_two_processes_that_look_at_once_get_one_transfer(
    books: Books, servers: Servers, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "AT_ONCE", 1)
    node.wait_seconds = 0.1  # Both have asked before either has claimed the transaction.
    orders = [waiting(books, AMOUNT) for _ in range(4)]
    assert await asyncio.gather(*(look_at_due(servers) for _ in range(4))) == [1, 1, 1, 1]
    states = sorted(shown(books, order, "state")[0] for order in orders)
    assert states == ["confirmed", "missing", "missing", "missing"]
    assert books.count("chain_claims") == 1


async def test_a_transfer_that_came_into_another_block_is_not_credited_again(
    books: Books, servers: Servers, node: Node
) -> None:
    first = waiting(books, AMOUNT)
    await look_at_due(servers)
    node.results["eth_getTransactionReceipt"] = receipt(log(logIndex="0x9"))
    second = waiting(books, AMOUNT)
    await look_at_due(servers)
    assert (shown(books, first, "state"), shown(books, second, "state")) == (("confirmed",), ("missing",))


async def test_a_hash_that_changed_during_the_look_is_looked_up_again(
    books: Books, servers: Servers, node: Node
) -> None:
    order = waiting(books, AMOUNT)
    other = "0x" + "77" * 32

    def change(_: object) -> bytes:
        node.raw = None
        books.owner.execute("UPDATE chain_evidence SET transaction_hash = %s", (other,))
        return node.answer({"method": "eth_chainId", "params": [], "id": 1})

    node.raw = change
    await look_at_due(servers)
    assert shown(books, order, "state", "transaction_hash") == ("waiting", other)
    assert books.count("chain_claims") == 0


async def test_what_is_young_is_looked_for_often_and_what_is_old_rarely(
    books: Books, servers: Servers, node: Node
) -> None:
    node.results["eth_getTransactionReceipt"] = None
    waits = {}
    for age, state in ((1, "waiting"), (100, "waiting"), (3600, "missing"), (86_400 * 5, "missing")):
        since = now() - timedelta(seconds=age)
        recent = now() if state == "waiting" else since
        order = waiting(books, AMOUNT, since=since, unseen_since=recent, state=state)
        await look_at_due(servers)
        waits[age] = round((shown(books, order, "next_look_at")[0] - now()).total_seconds())
    assert waits[1] in (0, 1)
    assert waits[100] == pytest.approx(10, abs=1)
    assert waits[3600] == pytest.approx(360, abs=2)
    assert waits[86_400 * 5] == pytest.approx(6 * 3600, abs=2)
    given_up = now() - timedelta(days=31)
    order = waiting(books, AMOUNT, since=given_up, unseen_since=given_up, state="missing")
    await look_at_due(servers)
    assert shown(books, order, "next_look_at") == (None,)


async def test_looks_go_on_for_two_hours_after_the_proof(books: Books, servers: Servers) -> None:
    order = waiting(books, AMOUNT)
    for _ in range(1 + len(LOOKS_AFTER)):
        books.owner.execute("UPDATE chain_evidence SET next_look_at = now()")
        await look_at_due(servers)
    assert shown(books, order, "state", "next_look_at") == ("confirmed", None)


async def test_a_confirmed_block_is_gone_once_it_was_missed_twice_and_back_when_it_is_seen_again(
    books: Books, servers: Servers, node: Node
) -> None:
    order = waiting(books, AMOUNT)
    await look_at_due(servers)
    seen = []
    for answer in (None, receipt(), None, None, None, receipt()):
        node.results["eth_getTransactionReceipt"] = answer
        books.owner.execute("UPDATE chain_evidence SET next_look_at = now(), looks_after = 0")
        await look_at_due(servers)
        seen.append((*shown(books, order, "state"), *open_kinds(books)))
    gone = ("left", "chain_left")
    assert seen == [("confirmed",), ("confirmed",), ("confirmed",), gone, gone, ("confirmed",)]


async def test_an_amount_that_the_books_cannot_keep_is_left_to_a_person(
    books: Books, servers: Servers, node: Node
) -> None:
    node.results["eth_getTransactionReceipt"] = receipt(log(2**255))
    order = waiting(books, AMOUNT)
    await look_at_due(servers)
    assert shown(books, order, "state", "amount_minor") == ("confirmed", None)


async def test_one_receipt_that_cannot_be_read_delays_no_other(
    books: Books, servers: Servers, node: Node
) -> None:
    broken = "0x" + "66" * 32
    bad, good = waiting(books, AMOUNT, transaction_hash=broken), waiting(books, AMOUNT)
    await look_at_due(servers)  # The node answers both with the good one's receipt.
    assert shown(books, good, "state") == ("confirmed",)
    assert shown(books, bad, "state", "failures") == ("away", 1)


async def test_a_dead_network_delays_no_other(
    books: Books, node: Node, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "ANSWER_SECONDS", 3.0)
    with running_node(wait_seconds=2.5) as slow:
        dead = Servers(NETWORKS["arbitrum"], (slow.url,), confirmations=20)
        for number in range(AT_ONCE):
            waiting(books, AMOUNT, network="arbitrum", transaction_hash=f"0x{number:064x}")
        looking = [asyncio.create_task(keep_looking(those)) for those in (dead, servers)]
        await asyncio.sleep(0.2)
        began, order = time.monotonic(), waiting(books, AMOUNT)
        while shown(books, order, "state") != ("confirmed",):
            assert time.monotonic() - began < 2.4
            await asyncio.sleep(0.05)
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        await dead.close()


async def test_what_was_credited_by_hand_is_claimed_and_compared_all_the_same(
    books: Books, servers: Servers
) -> None:
    operator = books.user()
    right = waiting(books, AMOUNT, credited_by=operator, state="away")
    books.owner.execute("UPDATE provider_orders SET delivered_minor = %s", (AMOUNT,))
    await look_at_due(servers)
    assert shown(books, right, "state") == ("confirmed",)
    assert (open_kinds(books), is_to_apply(books, right)) == ([], False)
    assert books.count("chain_claims") == 1


async def test_what_was_credited_by_hand_and_arrived_otherwise_makes_a_case(
    books: Books, servers: Servers
) -> None:
    wrong = waiting(books, 2 * AMOUNT, credited_by=books.user(), state="away")
    await look_at_due(servers)
    assert (shown(books, wrong, "state"), open_kinds(books)) == (("differs",), ["chain_differs"])


async def test_a_look_waits_for_an_operator_who_credits_the_same_transaction(
    books: Books, servers: Servers
) -> None:
    credited = waiting(books, AMOUNT, next_look_at=None)
    looked_at = waiting(books, AMOUNT)
    async with transaction() as db:
        await lock_transactions(db, [await db.get_one(ChainEvidence, credited)])
        (await db.get_one(OrderRecord, credited)).delivered_minor = AMOUNT
        looking = asyncio.create_task(look_at_due(servers))
        await asyncio.wait({looking}, timeout=1)
        assert not looking.done(), "it would not see the credit"
    assert await looking == 1
    assert shown(books, looked_at, "state", "amount_minor") == ("missing", None)
    assert books.count("chain_claims") == 0
