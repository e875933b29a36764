"""Answers of JSON-RPC servers are accepted if they fit the request, and otherwise refused with a reason."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from onramp_app.chain import rpc
from onramp_app.chain.errors import ServerFailed, ServersAway, ServerSilent
from onramp_app.chain.networks import NETWORKS, token_of
from onramp_app.chain.receipts import NOTHING, Found, Look, Transfer, look_up
from onramp_app.chain.rpc import RpcServer
from onramp_app.chain.servers import Servers
from tests.chain.node import (
    BLOCK_HASH,
    NAME,
    NUMBER,
    OURS,
    SENDER,
    TRANSFER,
    Node,
    coin,
    log,
    receipt,
    running_node,
    word,
)
from tests.log_lines import log_lines

POLYGON = NETWORKS["matic20"]
USDT, MATIC = token_of("USDT", "matic20"), token_of("MATIC", "matic20")


@pytest.fixture
def node() -> Iterator[Node]:
    with running_node() as node:
        yield node


@pytest.fixture
async def servers(node: Node) -> AsyncIterator[Servers]:
    servers = Servers(POLYGON, (node.url,), confirmations=64)
    yield servers
    await servers.close()


async def look(servers: Servers, *, token: Any = USDT) -> Look:
    async for sight in servers.sights():
        return await look_up(sight, NAME, address=OURS, token=token, confirmations=servers.confirmations)
    raise AssertionError("no server was tried")


def seen(*transfers: Transfer, found: Found = Found.ARRIVED) -> Look:
    return Look(found, NUMBER, BLOCK_HASH, transfers)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, NOTHING),
        (receipt(blockNumber=None, blockHash=None), NOTHING),
        (receipt(), seen(Transfer(3, 7_000_000))),
        (receipt(log(1), log(2, logIndex="0x4")), seen(Transfer(3, 1), Transfer(4, 2))),
        (receipt(status="0x0", logs=[]), seen(found=Found.FAILED)),
        (receipt(logs=[]), seen(found=Found.NO_TRANSFER)),
        (receipt(log(0)), seen(found=Found.NO_TRANSFER)),
        (receipt(log(address="0x" + "11" * 20)), seen(found=Found.NO_TRANSFER)),
        (receipt(log(topics=[TRANSFER, word(SENDER), word(SENDER)])), seen(found=Found.NO_TRANSFER)),
        (receipt(log(topics=[TRANSFER, word(OURS), word(OURS)])), seen(found=Found.NO_TRANSFER)),
        (receipt(log(topics=[word(OURS)] * 3)), seen(found=Found.NO_TRANSFER)),
        (
            receipt(log(topics=[TRANSFER, word(SENDER), word(OURS), word(OURS)])),
            seen(found=Found.NO_TRANSFER),
        ),
        (receipt(log(removed=True)), seen(found=Found.NO_TRANSFER)),
        (receipt(transactionHash=NAME.upper().replace("X", "x")), seen(Transfer(3, 7_000_000))),
    ],
)
async def test_a_receipt_says_what_arrived(servers: Servers, node: Node, found: Any, expected: Look) -> None:
    node.results["eth_getTransactionReceipt"] = found
    assert await look(servers) == expected


async def test_a_block_needs_its_confirmations(servers: Servers, node: Node) -> None:
    node.results["eth_getTransactionReceipt"] = receipt()
    node.depth = 63
    assert await look(servers) == seen(found=Found.SHALLOW)
    node.depth = 64
    assert (await look(servers)).found is Found.ARRIVED


async def test_a_receipt_of_a_block_that_left_the_chain_shows_nothing(servers: Servers, node: Node) -> None:
    node.results["eth_getTransactionReceipt"] = receipt(log(blockHash=NAME), blockHash=NAME)
    assert await look(servers) == NOTHING


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (coin(), seen(Transfer(-1, 5 * 10**17))),
        (coin(to=SENDER), seen(found=Found.NO_TRANSFER)),
        (coin(to=None), seen(found=Found.NO_TRANSFER)),
        (coin(value="0x0"), seen(found=Found.NO_TRANSFER)),
        (coin(**{"from": OURS}), seen(found=Found.NO_TRANSFER)),
    ],
)
async def test_a_coin_is_the_value_of_the_transaction(
    servers: Servers, node: Node, found: Any, expected: Look
) -> None:
    node.results |= {"eth_getTransactionReceipt": receipt(logs=[]), "eth_getTransactionByHash": found}
    assert await look(servers, token=MATIC) == expected


@pytest.mark.parametrize(
    "found",
    [
        "0x",
        [],
        {},
        7,
        receipt(transactionHash=BLOCK_HASH),
        receipt(transactionHash=None),
        receipt(blockNumber=1000),
        receipt(blockNumber="1000"),
        receipt(blockNumber="0x" + "f" * 64),
        receipt(blockNumber="0x" + "f" * 65),
        receipt(blockHash="0x1"),
        receipt(status="0x2"),
        receipt(status=None),
        receipt(logs=None),
        receipt(logs={}),
        receipt(logs=[None]),
        receipt(log(transactionHash=BLOCK_HASH)),
        receipt(log(blockHash=NAME)),
        receipt(log(topics=None)),
        receipt(log(topics=[TRANSFER, 1, 2])),
        receipt(log(address=None)),
        receipt(log(data="0x")),
        receipt(log(data="0x" + "f" * 66)),
        receipt(log(data="0x" + "g" * 64)),
        receipt(log(logIndex=3)),
        receipt(log(logIndex="0xffffffff")),
        receipt(log(), log()),
        receipt(*[log()] * 5001),
    ],
    ids=range(28),
)
async def test_a_receipt_that_does_not_fit_is_refused(servers: Servers, node: Node, found: Any) -> None:
    node.results["eth_getTransactionReceipt"] = found
    with pytest.raises(ServerFailed):
        await look(servers)


@pytest.mark.parametrize(
    "found",
    [
        None,
        7,
        coin(hash=BLOCK_HASH),
        coin(blockHash=NAME),
        coin(to="0x1"),
        coin(value=1),
        coin(**{"from": None}),
    ],
)
async def test_a_transaction_that_does_not_fit_is_refused(servers: Servers, node: Node, found: Any) -> None:
    node.results |= {"eth_getTransactionReceipt": receipt(logs=[]), "eth_getTransactionByHash": found}
    with pytest.raises(ServerFailed):
        await look(servers, token=MATIC)


def _result(asked: Any, result: Any, **changes: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result} | changes).encode()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (lambda _: b"", "not JSON"),
        (lambda _: b"<html>", "not JSON"),
        (lambda _: b"\xff\xfe", "not JSON"),
        (lambda _: b"[" * 100_000, "not JSON"),
        (lambda _: b'{"jsonrpc": "2.0", "id": 1, "result": 1e999999}', "not JSON"),
        (lambda _: b"[]", "not one of JSON-RPC 2.0"),
        (lambda asked: _result(asked, "0x89", jsonrpc="1.0"), "not one of JSON-RPC 2.0"),
        (lambda asked: _result(asked, "0x89", id=999), "not one of JSON-RPC 2.0"),
        (lambda asked: _result(asked, None, error={"code": -32000, "message": "key 123"}), "code -32000"),
        (lambda asked: _result(asked, None, error="no"), "code unknown"),
        (lambda asked: json.dumps({"jsonrpc": "2.0", "id": asked["id"]}).encode(), "no result"),
        (lambda asked: _result(asked, "x" * rpc.MAX_ANSWER_BYTES), "longer than 4 MiB"),
        (lambda asked: _result(asked, "0x1"), "answers for chain 1, and matic20 is chain 137"),
        (lambda asked: _result(asked, 137), "form that is none"),
    ],
    ids=range(14),
)
async def test_a_server_that_answers_anything_else_is_not_read(
    servers: Servers, node: Node, raw: Any, words: str
) -> None:
    node.raw = raw
    with pytest.raises(ServersAway, match=words) as away:
        await look(servers)
    assert "key" not in str(away.value), "an address may carry the customer's key, a message anything"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": 503}, "HTTP status 503"),
        ({"status": 301, "headers": {"Location": "http://127.0.0.1:1/"}}, "HTTP status 301"),
        ({"headers": {"Content-Encoding": "gzip"}}, "compressed"),
    ],
)
async def test_nothing_is_followed_or_unpacked(
    servers: Servers, node: Node, changes: dict[str, Any], words: str
) -> None:
    for name, value in changes.items():
        setattr(node, name, value)
    with pytest.raises(ServersAway, match=words):
        await look(servers)
    assert node.asked == ["eth_chainId"]


async def test_a_server_that_takes_too_long_is_left(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "ANSWER_SECONDS", 0.2)
    node.wait_seconds = 1.0
    server = RpcServer(node.url, network="matic20")
    with pytest.raises(ServerSilent, match="in time"):
        await server.call("eth_chainId")
    await server.close()


async def test_a_server_whose_newest_block_is_old_is_not_read(servers: Servers, node: Node) -> None:
    node.results["eth_getBlockByNumber"] = {"number": "0x1", "hash": BLOCK_HASH, "timestamp": "0x1"}
    with pytest.raises(ServersAway, match=r"newest block is [0-9]+ minutes old"):
        await look(servers)


async def test_servers_are_tried_in_turn_and_the_one_that_answers_comes_first(node: Node) -> None:
    node.results["eth_getTransactionReceipt"] = receipt()
    with running_node(results={"eth_chainId": "0x1"}) as other:
        servers = Servers(POLYGON, ("http://127.0.0.1:1", other.url, node.url), confirmations=64)
        assert (await look(servers)).units == 7_000_000
        assert (await look(servers)).units == 7_000_000
        assert (len(other.asked), node.asked.count("eth_chainId")) == (1, 1)
        node.status = 500
        with pytest.raises(ServersAway):
            await look(servers)
        assert len(other.asked) == 2
        await servers.close()


async def test_no_line_of_the_log_repeats_an_address(
    servers: Servers, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.status = 500
    with log_lines(monkeypatch, level="debug") as lines:
        with pytest.raises(ServersAway):
            await look(servers)
        logged = lines.getvalue()
    assert "127.0.0.1" in logged
    assert "key-of-the-customer" not in logged
