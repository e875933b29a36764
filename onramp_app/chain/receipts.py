"""Reads from its receipt what one transaction of an EVM network transferred to an address.

A token transfer is a log of the token's contract: topics `Transfer(address,address,uint256)`, from and to,
with the amount as data (ERC-20). A transfer of the network's own coin is the value of the transaction itself;
coins that a contract passes on leave no trace in a receipt and are not seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from onramp_app.chain.errors import ServerFailed
from onramp_app.chain.networks import Token
from onramp_app.chain.rpc import octets, quantity
from onramp_app.chain.servers import Sight, read_block

# keccak256("Transfer(address,address,uint256)") (ERC-20).
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
# The log index of a transfer of the network's own coin, which has no log.
NATIVE_INDEX = -1
MAX_LOGS = 5000


class Found(StrEnum):
    """What a look found.

    `NOTHING`: the transaction is in no block of the network's chain. `SHALLOW`: it is in a block, with too
    few blocks on top. `FAILED`: the transaction failed. `NO_TRANSFER`: it transferred none of the asset to
    the address. `ARRIVED`: it transferred some. The last three are final.
    """

    NOTHING = "nothing"
    SHALLOW = "shallow"
    FAILED = "failed"
    NO_TRANSFER = "no_transfer"
    ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer to the address: its log index in the block, and the amount in smallest units."""

    index: int
    units: int


@dataclass(frozen=True, slots=True)
class Look:
    """The result of one look at a transaction: what it found, and in which block, if any."""

    found: Found
    block_number: int | None = None
    block_hash: str | None = None
    transfers: tuple[Transfer, ...] = ()

    @property
    def units(self) -> int:
        """The sum of the transfers, in the token's smallest units."""
        return sum(transfer.units for transfer in self.transfers)


NOTHING = Look(Found.NOTHING)


async def look_up(sight: Sight, name: str, *, address: str, token: Token, confirmations: int) -> Look:
    """Look for a transaction, and for its transfers of a token to an address.

    Args:
        sight: the server, and its newest block.
        name: the hash of the transaction, in lower case.
        address: our address, in lower case.
        token: the asset on this network.
        confirmations: how many blocks must be on top of the transaction's own.

    Raises:
        ServerFailed: the server did not answer, or its answers do not match the request or each other.
    """
    receipt = await sight.server.call("eth_getTransactionReceipt", name)
    if receipt is None:
        return NOTHING
    _expect(receipt, name=name)
    if receipt.get("blockNumber") is None:  # Some servers return transactions not mined yet.
        return NOTHING
    number, block_hash = quantity(receipt["blockNumber"]), octets(receipt.get("blockHash"), length=32)
    if sight.head.number - number < confirmations:
        return Look(Found.SHALLOW, number, block_hash)
    block = await read_block(sight.server, number)
    if block is None or block.hash != block_hash:
        return NOTHING  # The server still has the receipt from a block that has left the chain.
    status = quantity(receipt.get("status"))
    if status not in (0, 1):
        raise ServerFailed("it answers with a receipt that neither failed nor succeeded")
    if status == 0:
        return Look(Found.FAILED, number, block_hash)
    if token.contract is None:
        transfers = await _value(sight, name, address=address, block_hash=block_hash)
    else:
        transfers = _logs(receipt, name, address=address, contract=token.contract, block_hash=block_hash)
    return Look(Found.ARRIVED if transfers else Found.NO_TRANSFER, number, block_hash, transfers)


def _expect(
    answer: Any, *, name: str, member: str = "transactionHash", block_hash: str | None = None
) -> None:
    """Raise `ServerFailed` unless the answer is about this transaction and, if given, this block."""
    if not isinstance(answer, Mapping) or octets(answer.get(member), length=32) != name:
        raise ServerFailed("it answers with another transaction")
    if block_hash is not None and octets(answer.get("blockHash"), length=32) != block_hash:
        raise ServerFailed("it answers with another block")


async def _value(sight: Sight, name: str, *, address: str, block_hash: str) -> tuple[Transfer, ...]:
    found = await sight.server.call("eth_getTransactionByHash", name)
    _expect(found, name=name, member="hash", block_hash=block_hash)
    if found.get("to") is None or octets(found["to"], length=20) != address:
        return ()
    units = quantity(found.get("value"), bits=256)
    is_own = octets(found.get("from"), length=20) == address
    return (Transfer(NATIVE_INDEX, units),) if units and not is_own else ()


def _logs(
    receipt: Mapping[str, Any], name: str, *, address: str, contract: str, block_hash: str
) -> tuple[Transfer, ...]:
    logs = receipt.get("logs")
    if not isinstance(logs, list) or len(logs) > MAX_LOGS:
        raise ServerFailed("it answers with no list of logs, or with too long a list")
    ours, transfers = "0x" + address[2:].rjust(64, "0"), {}
    for log in logs:
        _expect(log, name=name, block_hash=block_hash)
        topics = log.get("topics")
        if not isinstance(topics, list):
            raise ServerFailed("it answers with a log without topics")
        if log.get("removed") is True or octets(log.get("address"), length=20) != contract:
            continue
        words = [octets(topic, length=32) for topic in topics]
        # A transfer from our address to itself does not count.
        if len(words) != 3 or words[0] != TRANSFER or words[2] != ours or words[1] == ours:
            continue
        index, units = quantity(log.get("logIndex")), int(octets(log.get("data"), length=32), 16)
        if index in transfers or index > 10**9:
            raise ServerFailed("it answers with two logs of one place")
        if units:
            transfers[index] = Transfer(index, units)
    return tuple(transfers.values())
