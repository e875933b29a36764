"""What operators see about the networks: unavailable ones, wrong servers, and which rule fits."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from onramp_app.chain.status import fitting_rule
from onramp_app.config import get_settings, load_settings
from onramp_app.db.engine import transaction
from onramp_app.domain.clock import now
from onramp_app.running.chain_checks import delivered_rule, servers
from onramp_app.running.health import status
from onramp_app.running.parts import UnwellError
from tests.chain.deliveries import waiting
from tests.chain.node import BLOCK_HASH, Node, running_node
from tests.ledger.books import Books


@pytest.fixture
async def books(database: str) -> Books:
    return Books(database)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with running_node() as node:
        monkeypatch.setenv("CHAIN_RPC", json.dumps({"matic20": [node.url]}))
        get_settings.cache_clear()
        yield node


async def chain_part() -> tuple[bool, str] | None:
    found = {part.name: (part.is_well, part.detail) for part in await status()}
    return found.get("chain")


async def test_health_names_a_network_that_is_away_for_five_minutes(books: Books, node: Node) -> None:
    assert await chain_part() == (True, "")
    order = waiting(books, 10**18, state="away", away_since=now())
    assert await chain_part() == (True, "")
    books.owner.execute(
        "UPDATE chain_evidence SET away_since = now() - interval '7 minutes' WHERE provider_order_id = %s",
        (order,),
    )
    assert await chain_part() == (
        False,
        "No server of matic20 has answered for 7 minutes; deliveries that wait: 1.",
    )


@pytest.mark.usefixtures("database")
async def test_health_says_nothing_of_networks_that_nobody_reads() -> None:
    assert await chain_part() is None


async def test_check_names_each_server_its_chain_and_its_newest_block(node: Node, tmp_path) -> None:
    assert "matic20 at 127.0.0.1 answers for chain 137, its newest block is" in await servers(
        load_settings(tmp_path)
    )
    node.results["eth_chainId"] = "0x1"
    with pytest.raises(UnwellError, match="answers for chain 1, and matic20 is chain 137"):
        await servers(load_settings(tmp_path))
    node.results = {"eth_getBlockByNumber": {"number": "0x1", "hash": BLOCK_HASH, "timestamp": "0x1"}}
    with pytest.raises(UnwellError, match="stands still: its newest block is"):
        await servers(load_settings(tmp_path))
    node.status = 401
    with pytest.raises(UnwellError, match="cannot be used: it answers with HTTP status 401") as unwell:
        await servers(load_settings(tmp_path))
    assert "key-of-the-customer" not in str(unwell.value)


async def test_check_says_that_nobody_reads(tmp_path) -> None:
    assert "CHAIN_RPC is not set" in await servers(load_settings(tmp_path))


@pytest.mark.parametrize(
    ("figures", "rule"),
    [
        (("11.5", "0.25", "11.25"), "actual_minus_gas"),
        (("11.5", "0.25", "11.5"), "actual"),
        (("11.5", "0.25", "11.253"), "actual_minus_gas"),
        (("11.5", "0.25", "10"), None),
        (("11.5", "0.05", "11.45"), None),
        (("11.50", "0.05", "11.45"), "actual_minus_gas"),
    ],
)
async def test_the_first_confirmed_order_says_which_rule_fits(
    books: Books, figures: tuple[str, str, str], rule: str | None
) -> None:
    bought, fee, arrived = figures
    assert "No network has shown a delivery" in await delivered_rule(get_settings())
    minor = int(Decimal(arrived) * 10**18)
    order = waiting(books, minor, state="confirmed", amount_minor=minor, confirmed_at=now())
    books.owner.execute(
        "UPDATE provider_orders SET bought_amount = %s, gas_fee = %s WHERE id = %s", (bought, fee, order)
    )
    async with transaction() as db:
        fit = await fitting_rule(db)
    assert fit is not None
    assert (fit.rule, fit.arrived) == (rule, arrived)
    if rule == "actual_minus_gas":
        assert "ONRAMP_DELIVERED_RULE=actual_minus_gas fits" in await delivered_rule(get_settings())
    else:
        with pytest.raises(UnwellError, match=r"ONRAMP_DELIVERED_RULE=actual|neither actual nor"):
            await delivered_rule(get_settings())
