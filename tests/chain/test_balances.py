"""The treasury's balances on the networks, compared with the books."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest
from typer.testing import CliRunner, Result

from onramp_app.__main__ import app
from onramp_app.chain import servers
from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.ledger import instructions
from tests.chain.node import OURS, Node, running_node
from tests.ledger import books as world
from tests.ledger.books import BY_POLL, Books, post_now

ACCOUNT = f"treasury:matic20:{OURS}:USDT"


@pytest.fixture
def node() -> Iterator[Node]:
    with running_node(results={"eth_call": f"0x{3_000_000:064x}"}) as node:
        yield node


@pytest.fixture
async def books(database: str, node: Node, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Books]:
    """Books with 3 USDT at our address on Polygon, and BTC on a network that is not read."""
    monkeypatch.setitem(world.TREASURY, "USDT", ("matic20", OURS))
    monkeypatch.setenv("CHAIN_RPC", json.dumps({"matic20": [node.url]}))
    get_settings.cache_clear()
    books = Books(database)
    for asset, amount in (("USDT", 3 * 10**18), ("BTC", 77)):
        user_id = books.user()
        top_up_id = books.top_up(user_id, asset=asset)
        delivery = books.delivery(amount, asset=asset, top_up_id=top_up_id)
        books.settle(top_up_id, amount, asset=asset)
        await post_now(
            instructions.receive_available(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_POLL)
        )
    await engine.dispose()
    yield books
    servers.get_servers.cache_clear()


def reconcile(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["reconcile", *arguments])


@pytest.mark.parametrize("order", [("--treasury", "--from-chain"), ("--from-chain", "--treasury")])
def test_what_lies_there_is_compared_with_the_books(books: Books, node: Node, order: tuple[str, str]) -> None:
    result = reconcile(*order, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    (account,) = answer["compared"]
    assert (account["account"], account["book"], account["counted"], account["missing"]) == (
        ACCOUNT,
        "3",
        "3",
        "0",
    )
    assert answer["not_counted"] == ["treasury:btc:bc1qxyz:BTC"]


@pytest.mark.usefixtures("books")
def test_a_difference_is_shown(node: Node) -> None:
    node.results["eth_call"] = f"0x{2_750_000:064x}"
    result = reconcile("--treasury", "--from-chain")
    assert result.exit_code == 1
    assert "book 3  counted 2.75  missing 0.25" in result.output


@pytest.mark.usefixtures("books")
def test_a_network_that_cannot_be_read_is_named(node: Node) -> None:
    node.status = 500
    result = reconcile("--treasury", "--from-chain")
    assert (result.exit_code, "No server of matic20 can be read" in result.output) == (4, True)
    assert "key-of-the-customer" not in result.output


@pytest.mark.usefixtures("books")
def test_without_servers_nothing_can_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAIN_RPC")
    get_settings.cache_clear()
    result = reconcile("--treasury", "--from-chain")
    assert (result.exit_code, "CHAIN_RPC names no network" in result.output) == (1, True)


def test_one_way_of_comparing_is_asked_for_at_a_time(tmp_path) -> None:
    (tmp_path / "counted.csv").write_text("")
    for wrong in (["--treasury", str(tmp_path / "counted.csv"), "--from-chain"], [], ["--treasury"]):
        assert reconcile(*wrong).exit_code != 0
