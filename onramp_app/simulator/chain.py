"""The chains that deliveries happen on, and a JSON-RPC server for each EVM among them (`/chain/{network}`).

A delivered order is one transaction with one transfer. Blocks come at an even pace by the wall clock, so that
nothing has to be mined; a block that left the chain has another hash from then on.
"""

import hashlib
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onramp_app.simulator.market.catalog import BUY, Coin, Network, catalog
from onramp_app.simulator.market.prices import draw
from onramp_app.simulator.scenarios import Scenarios
from onramp_app.simulator.store import Order, Store, Transaction
from onramp_app.simulator.webhooks import Timing
from onramp_app.simulator.wire import ProviderError, json_response, now_ms, parse_json, read_limited, to_json

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
BALANCE_OF = "0x70a08231"
NATIVE_DECIMALS = 18
_SENDER = "0x5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"  # the provider's own wallet
_ELSEWHERE = "0xe15ee15ee15ee15ee15ee15ee15ee15ee15ee15e"
_BLOCKS_A_TEMPO = 20
_MAX_BATCH = 100
_NEXT_TIME = "after its next deep read"

Method = Callable[[Network, list[Any]], Any]


class _RpcError(Exception):
    """A refusal as JSON-RPC knows it: a code and a sentence."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Chain:
    """Mines what is delivered, and answers what a merchant asks a node of the chain."""

    def __init__(self, store: Store, scenarios: Scenarios, *, timing: Timing) -> None:
        self._store = store
        self._scenarios = scenarios
        self._block_ms = max(10, int(timing.tempo_seconds * 1000) // _BLOCKS_A_TEMPO)
        self._methods: dict[str, Method] = {
            "eth_chainId": lambda network, _: hex(network.evm_id or 0),
            "eth_blockNumber": lambda _network, _: hex(self._head()),
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getTransactionByHash": self._transaction,
            "eth_getBalance": self._native_balance,
            "eth_call": self._call,
        }

    # What is delivered

    def deliver(self, order: Order, *, seed: int) -> str | None:
        """Return the hash of the transaction that delivers an order; None where a scenario keeps it back."""
        take, document = self._scenarios.take, order.document
        name = "0x" + "".join(f"{draw(seed, 'hash', order.order_id, part):016x}" for part in range(4))
        network = catalog().networks[int(document["chainId"])]
        if network.evm_id is None or order.flow != BUY:
            return name
        missing = take("chain_missing", order)
        fault = missing.value if missing else None
        if fault in ("absent", "no_hash"):
            return name if fault == "absent" else None
        if take("chain_same_hash", order) and (before := self._store.last_transaction(network.chain_id)):
            return before.name
        slow, differs = take("chain_slow", order), take("chain_differs", order)
        reorganised = take("chain_reorganised", order)
        factor = Decimal(differs.value) if differs else Decimal(1)
        self._store.save_transaction(
            Transaction(
                name=name,
                chain_id=network.chain_id,
                mined_ms=now_ms() + int(Decimal(slow.value) * 1000 if slow else 0) + self._block_ms,
                contract=self._contract(order, network),
                receiver=_ELSEWHERE if fault == "elsewhere" else document["walletAddress"],
                units=self._units(order, network, factor),
                succeeded=fault != "failed",
                leaves=reorganised.value if reorganised else None,
            )
        )
        return name

    def _coin(self, order: Order) -> Coin:
        coin = catalog().coin_by_id(int(order.document["coinId"]))
        assert coin is not None  # noqa: S101 - orders are opened with coins of the catalog only
        return coin

    def _contract(self, order: Order, network: Network) -> str | None:
        token = self._coin(order).tokens.get(network.chain_id)
        return token.address if token else None

    def _units(self, order: Order, network: Network, factor: Decimal) -> int:
        """Return what is sent, in the smallest units of the chain: what was bought less the network's fee."""
        token = self._coin(order).tokens.get(network.chain_id)
        decimals = token.decimals if token else NATIVE_DECIMALS
        document = order.document
        sent = (Decimal(document["actualCryptoAmount"]) - Decimal(document["gasFee"])) * factor
        return max(0, int(sent.scaleb(decimals)))

    # Blocks

    def _head(self) -> int:
        return now_ms() // self._block_ms

    def _block_of(self, transaction: Transaction) -> int:
        return transaction.mined_ms // self._block_ms

    def _block_hash(self, network: Network, number: int) -> str:
        forks = self._store.setting(f"fork:{network.chain_id}:{number}") or "0"
        return "0x" + hashlib.sha256(f"{network.chain_id}:{number}:{forks}".encode()).hexdigest()

    def _block_by_number(self, network: Network, parameters: list[Any]) -> Any:
        wanted = _parameter(parameters, 0)
        number = self._head() if wanted in ("latest", "safe", "finalized") else _quantity(wanted)
        if number > self._head():
            return None
        return {
            "number": hex(number),
            "hash": self._block_hash(network, number),
            "timestamp": hex(number * self._block_ms // 1000),
        }

    # Transactions

    def _mined(self, network: Network, parameters: list[Any]) -> Transaction | None:
        name = str(_parameter(parameters, 0)).lower()
        found = self._store.transaction_named(name)
        if found is None or found.chain_id != network.chain_id or self._block_of(found) > self._head():
            return None
        return found

    def _receipt(self, network: Network, parameters: list[Any]) -> Any:
        transaction = self._mined(network, parameters)
        if transaction is None:
            return None
        number = self._block_of(transaction)
        answer = {
            "transactionHash": transaction.name,
            "blockNumber": hex(number),
            "blockHash": self._block_hash(network, number),
            "status": hex(int(transaction.succeeded)),
            "from": _SENDER,
            "to": transaction.contract or transaction.receiver,
            "logs": self._logs(network, transaction, number),
        }
        self._leave(network, transaction, number)
        return answer

    def _logs(self, network: Network, transaction: Transaction, number: int) -> list[dict[str, Any]]:
        if transaction.contract is None or not transaction.succeeded:
            return []
        return [
            {
                "address": transaction.contract,
                "topics": [TRANSFER, _word(_SENDER), _word(transaction.receiver)],
                "data": f"0x{transaction.units:064x}",
                "blockNumber": hex(number),
                "blockHash": self._block_hash(network, number),
                "transactionHash": transaction.name,
                "logIndex": "0x0",
                "removed": False,
            }
        ]

    def _leave(self, network: Network, transaction: Transaction, number: int) -> None:
        """Let the block of a transaction leave the chain once it was read, if a scenario wants that.

        `before`: at once. `after`: once it was read twice with the confirmations of the network, so that who
        believed it the first time finds it gone the second time; and it is not mined again.
        """
        is_deep = self._head() - number > int(network.raw["confirmations"])
        if transaction.leaves is None or (transaction.leaves in ("after", _NEXT_TIME) and not is_deep):
            return
        if transaction.leaves == "after":
            transaction.leaves = _NEXT_TIME
            self._store.save_transaction(transaction)
            return
        self._store.set_setting(f"fork:{network.chain_id}:{number}", "1")
        again_ms = now_ms() + 2 * self._block_ms if transaction.leaves == "before" else 2**52
        transaction.mined_ms, transaction.leaves = again_ms, None
        self._store.save_transaction(transaction)

    def _transaction(self, network: Network, parameters: list[Any]) -> Any:
        transaction = self._mined(network, parameters)
        if transaction is None:
            return None
        is_native, number = transaction.contract is None, self._block_of(transaction)
        return {
            "hash": transaction.name,
            "blockNumber": hex(number),
            "blockHash": self._block_hash(network, number),
            "from": _SENDER,
            "to": transaction.contract or transaction.receiver,
            "value": hex(transaction.units) if is_native else "0x0",
        }

    # Balances

    def _native_balance(self, network: Network, parameters: list[Any]) -> str:
        return hex(self._balance(network, str(_parameter(parameters, 0)), contract=None))

    def _call(self, network: Network, parameters: list[Any]) -> str:
        call = _parameter(parameters, 0)
        data = str(call.get("data") or call.get("input")) if isinstance(call, dict) else ""
        if not re.fullmatch(rf"{BALANCE_OF}0{{24}}[0-9a-fA-F]{{40}}", data):
            raise _RpcError(-32602, "only balanceOf(address) can be called")
        units = self._balance(network, "0x" + data[-40:], contract=str(call.get("to")).lower())
        return f"0x{units:064x}"

    def _balance(self, network: Network, address: str, *, contract: str | None) -> int:
        return sum(
            transaction.units
            for transaction in self._store.transactions_to(network.chain_id, address.lower())
            if transaction.succeeded
            and transaction.contract == contract
            and self._block_of(transaction) <= self._head()
        )

    # HTTP

    def routes(self) -> list[Route]:
        """Return the route of every chain's server."""
        return [Route("/chain/{network}", self._serve, methods=["POST"])]

    async def _serve(self, request: Request) -> Response:
        network = catalog().network_by_symbol(request.path_params["network"])
        if network is None or network.evm_id is None:
            return json_response(to_json({"error": "this network has no such server"}), 404)
        if self._scenarios.take("chain_away"):
            return json_response(to_json({"error": "the node is away"}), 503)
        try:
            raw = await read_limited(request)
        except ProviderError as error:
            return json_response(to_json({"error": error.message}), error.code)
        return json_response(to_json(self._answers(network, raw)))

    def _answers(self, network: Network, raw: bytes) -> Any:
        try:
            asked = parse_json(raw)
        except ValueError:
            return _failed(None, -32700, "the request is not JSON")
        if not isinstance(asked, list):
            return self._answer(network, asked)
        if not 0 < len(asked) <= _MAX_BATCH:
            return _failed(None, -32600, f"a batch has 1 to {_MAX_BATCH} requests")
        return [self._answer(network, one) for one in asked]

    def _answer(self, network: Network, asked: Any) -> dict[str, Any]:
        if not isinstance(asked, dict) or asked.get("jsonrpc") != "2.0":
            return _failed(None, -32600, "this is not a request of JSON-RPC 2.0")
        number, method = asked.get("id"), self._methods.get(str(asked.get("method")))
        if method is None:
            return _failed(number, -32601, "this method is not known")
        parameters = asked.get("params", [])
        try:
            if not isinstance(parameters, list):
                raise _RpcError(-32602, "params must be a list")
            return {"jsonrpc": "2.0", "id": number, "result": method(network, parameters)}
        except _RpcError as error:
            return _failed(number, error.code, str(error))


def _failed(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


def _parameter(parameters: list[Any], place: int) -> Any:
    if len(parameters) <= place:
        raise _RpcError(-32602, "a parameter is missing")
    return parameters[place]


def _quantity(value: Any) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,16}", value):
        raise _RpcError(-32602, "a number must be written as 0x and hexadecimal digits")
    return int(value, 16)


def _word(address: str) -> str:
    return "0x" + address.lower().removeprefix("0x").rjust(64, "0")
