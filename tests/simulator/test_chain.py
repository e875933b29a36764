"""The simulated chains: a node's answers about deliveries, and every way in which a chain can disagree."""

import time
from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.process import ADDRESS, TEMPO_SECONDS, Process, eventually

TOKEN = "0xc2132d05d31c914a87c6611c10748aeb04b58e8f"  # USDT on Polygon
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
CONFIRMATIONS = 64
BLOCK_SECONDS = TEMPO_SECONDS / 10  # at most; a tempo has twenty blocks, none shorter than 10 ms


def rpc(simulator: Process, method: str, *parameters: Any, network: str = "matic20") -> Any:
    asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
    answer = simulator.client.post(f"{simulator.base}/chain/{network}", json=asked).json()
    assert "error" not in answer, answer
    return answer["result"]


def receipt(simulator: Process, name: str) -> Any:
    return eventually(lambda: rpc(simulator, "eth_getTransactionReceipt", name))


def delivered(simulator: Process, **link: Any) -> Any:
    return simulator.move(simulator.open(**link), 4)


def sent(order: Any, decimals: int = 6) -> int:
    return int((Decimal(order["actualCryptoAmount"]) - Decimal(order["gasFee"])).scaleb(decimals))


def test_a_delivery_is_a_transfer_of_what_was_bought_less_the_networks_fee(simulator: Process) -> None:
    order = delivered(simulator)
    found = receipt(simulator, order["transactionHash"])
    assert (found["status"], found["transactionHash"]) == ("0x1", order["transactionHash"])
    (log,) = found["logs"]
    assert (log["address"], log["topics"][0]) == (TOKEN, TRANSFER)
    assert log["topics"][2] == "0x" + ADDRESS[2:].rjust(64, "0")
    assert int(log["data"], 16) == sent(order)
    balance = rpc(
        simulator, "eth_call", {"to": TOKEN, "data": f"0x70a08231{ADDRESS[2:].rjust(64, '0')}"}, "latest"
    )
    assert int(balance, 16) == sent(order)


def test_a_token_has_the_decimals_of_its_chain(simulator: Process) -> None:
    order = delivered(simulator, network="bep20")
    found = eventually(
        lambda: rpc(simulator, "eth_getTransactionReceipt", order["transactionHash"], network="bep20")
    )
    assert int(found["logs"][0]["data"], 16) == sent(order, decimals=18)


def test_a_native_coin_is_the_transactions_value(simulator: Process) -> None:
    order = delivered(simulator, coinCode="matic", network="matic20")
    assert receipt(simulator, order["transactionHash"])["logs"] == []
    found = rpc(simulator, "eth_getTransactionByHash", order["transactionHash"])
    assert (found["to"], int(found["value"], 16)) == (ADDRESS, sent(order, decimals=18))
    assert int(rpc(simulator, "eth_getBalance", ADDRESS, "latest"), 16) == sent(order, decimals=18)


def test_blocks_go_on_and_keep_their_hashes(simulator: Process) -> None:
    assert rpc(simulator, "eth_chainId") == "0x89"
    head = int(rpc(simulator, "eth_blockNumber"), 16)
    block = rpc(simulator, "eth_getBlockByNumber", hex(head), False)
    eventually(lambda: int(rpc(simulator, "eth_blockNumber"), 16) > head)
    assert rpc(simulator, "eth_getBlockByNumber", hex(head), False) == block
    assert rpc(simulator, "eth_getBlockByNumber", hex(head + 10**6), False) is None


def test_the_chain_can_move_another_amount(simulator: Process) -> None:
    simulator.scenario("chain_differs", value="0.5")
    order = delivered(simulator)
    found = receipt(simulator, order["transactionHash"])
    assert abs(int(found["logs"][0]["data"], 16) - sent(order) // 2) <= 1


@pytest.mark.parametrize("fault", ["absent", "failed", "elsewhere", "no_hash"])
def test_a_transaction_can_be_missing_in_four_ways(simulator: Process, fault: str) -> None:
    simulator.scenario("chain_missing", value=fault)
    name = delivered(simulator)["transactionHash"]
    if fault == "no_hash":
        assert name is None
    elif fault == "absent":
        time.sleep(3 * BLOCK_SECONDS)
        assert rpc(simulator, "eth_getTransactionReceipt", name) is None
    elif fault == "failed":
        assert (receipt(simulator, name)["status"], receipt(simulator, name)["logs"]) == ("0x0", [])
    else:
        assert ADDRESS[2:] not in receipt(simulator, name)["logs"][0]["topics"][2]


def test_a_slow_chain_mines_later(simulator: Process) -> None:
    simulator.scenario("chain_slow", value="0.4")
    begun = time.monotonic()
    receipt(simulator, delivered(simulator)["transactionHash"])
    assert time.monotonic() - begun >= 0.35


def test_a_block_leaves_the_chain_before_its_confirmations(simulator: Process) -> None:
    simulator.scenario("chain_reorganised", value="before")
    name = delivered(simulator)["transactionHash"]
    first = receipt(simulator, name)
    assert rpc(simulator, "eth_getBlockByNumber", first["blockNumber"], False)["hash"] != first["blockHash"]
    again = receipt(simulator, name)
    assert int(again["blockNumber"], 16) > int(first["blockNumber"], 16)
    assert receipt(simulator, name) == again


def test_a_block_leaves_the_chain_after_its_confirmations(simulator: Process) -> None:
    simulator.scenario("chain_reorganised", value="after")
    name = delivered(simulator)["transactionHash"]
    first = receipt(simulator, name)
    assert receipt(simulator, name) == first
    deep = int(first["blockNumber"], 16) + CONFIRMATIONS
    eventually(lambda: int(rpc(simulator, "eth_blockNumber"), 16) > deep)
    for _ in range(2):
        assert rpc(simulator, "eth_getTransactionReceipt", name) == first
    assert rpc(simulator, "eth_getTransactionReceipt", name) is None


def test_two_orders_can_name_one_transaction(simulator: Process) -> None:
    first = delivered(simulator)
    simulator.scenario("chain_same_hash")
    second = delivered(simulator)
    assert second["transactionHash"] == first["transactionHash"]
    balance = {"to": TOKEN, "data": f"0x70a08231{ADDRESS[2:].rjust(64, '0')}"}
    receipt(simulator, first["transactionHash"])
    assert int(rpc(simulator, "eth_call", balance, "latest"), 16) == sent(first)


def test_the_servers_can_be_away(simulator: Process) -> None:
    simulator.scenario("chain_away", value="0.3")
    asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
    assert simulator.client.post(f"{simulator.base}/chain/matic20", json=asked).status_code == 503
    assert simulator.client.post(f"{simulator.base}/chain/spl", json=asked).status_code == 404
    eventually(
        lambda: simulator.client.post(f"{simulator.base}/chain/matic20", json=asked).status_code == 200
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (b'{"id": 1, "method": "eth_chainId"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction"}', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionReceipt"}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": [7, false]}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"data": "0x"}]}', -32602),
    ],
)
def test_a_wrong_request_is_refused_as_json_rpc_says(simulator: Process, content: bytes, code: int) -> None:
    answer = simulator.client.post(f"{simulator.base}/chain/matic20", content=content).json()
    assert answer["error"]["code"] == code


def test_several_requests_can_be_asked_at_once(simulator: Process) -> None:
    asked = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": []}
        for number, method in enumerate(("eth_chainId", "eth_nonsense"))
    ]
    answers = simulator.client.post(f"{simulator.base}/chain/matic20", json=asked).json()
    assert [(answer["id"], "error" in answer) for answer in answers] == [(0, False), (1, True)]
