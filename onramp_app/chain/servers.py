"""The servers of each network of `CHAIN_RPC`, tried in turn until one answers for the right chain."""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import structlog

from onramp_app.chain.errors import ServerFailed, ServersAway
from onramp_app.chain.networks import NETWORKS, EvmNetwork, confirmations_of, refuse_unreadable
from onramp_app.chain.rpc import RpcServer, octets, quantity
from onramp_app.config import Settings, get_settings

# A server whose newest block is older than this is stuck: newer transactions would never be found there.
MAX_HEAD_AGE_SECONDS = 15 * 60
_KNOWN_ID_SECONDS = 600.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its number, its hash, and the Unix time at which it was made."""

    number: int
    hash: str
    made_at: int


@dataclass(frozen=True, slots=True)
class Sight:
    """One server that answers for the right chain, and its newest block. A look makes all its calls there."""

    server: RpcServer
    head: Block


async def read_block(server: RpcServer, number: int | None = None) -> Block | None:
    """Return a block, by default the newest one; None if the server has no block of that number.

    Raises:
        ServerFailed: as for `RpcServer.call`; or the answer is not a block, or a different one.
    """
    wanted = "latest" if number is None else hex(number)
    found = await server.call("eth_getBlockByNumber", wanted, False)  # noqa: FBT003 - of JSON-RPC
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise ServerFailed("it answers with no block")
    block = Block(
        quantity(found.get("number")), octets(found.get("hash"), length=32), quantity(found.get("timestamp"))
    )
    if number is not None and block.number != number:
        raise ServerFailed("it answers with another block")
    return block


class Servers:
    """All servers of one network. Belongs to one event loop; `close` it before another takes over."""

    def __init__(self, network: EvmNetwork, urls: tuple[str, ...], *, confirmations: int) -> None:
        self.network = network
        self.confirmations = confirmations
        self.all = tuple(RpcServer(url, network=network.name) for url in urls)
        self._known_until: dict[RpcServer, float] = {}
        self._first = 0

    async def close(self) -> None:
        """Close the connections."""
        for server in self.all:
            await server.close()

    async def sights(self) -> AsyncIterator[Sight]:
        """Yield each server that can be read, starting with the one that was used last.

        Raises:
            ServersAway: none of the servers can be read.
        """
        order = [*range(self._first, len(self.all)), *range(self._first)]
        failures = []
        for place in order:
            server = self.all[place]
            try:
                sight = await self._sight(server)
            except ServerFailed as error:
                failures.append(f"{server.host}: {error}")
                _log.warning(
                    "chain server failed", network=self.network.name, host=server.host, reason=str(error)
                )
                continue
            self._first = place
            yield sight
        if len(failures) == len(order):
            raise ServersAway("; ".join(failures))

    async def _sight(self, server: RpcServer) -> Sight:
        if self._known_until.get(server, 0.0) < time.monotonic():
            await refuse_other_chain(server, self.network)
            self._known_until[server] = time.monotonic() + _KNOWN_ID_SECONDS
        head = await read_block(server)
        if head is None:
            raise ServerFailed("it has no block yet")
        if (age := time.time() - head.made_at) > MAX_HEAD_AGE_SECONDS:
            raise ServerFailed(f"its newest block is {age / 60:.0f} minutes old")
        return Sight(server, head)


async def refuse_other_chain(server: RpcServer, network: EvmNetwork) -> None:
    """Raise `ServerFailed` unless the server answers with the network's EIP-155 chain id."""
    found = quantity(await server.call("eth_chainId"))
    if found != network.chain_id:
        raise ServerFailed(f"it answers for chain {found}, and {network.name} is chain {network.chain_id}")


def servers_from(settings: Settings) -> dict[str, Servers]:
    """Return the servers of each network of `CHAIN_RPC`. Raises as `refuse_unreadable` does."""
    refuse_unreadable(settings)
    return {
        name: Servers(
            NETWORKS[name],
            tuple(url.get_secret_value() for url in urls),
            confirmations=confirmations_of(NETWORKS[name], settings),
        )
        for name, urls in settings.chain_rpc.items()
    }


@lru_cache(maxsize=1)
def get_servers() -> Mapping[str, Servers]:
    """Return the servers of this process by network."""
    return servers_from(get_settings())


async def close() -> None:
    """Close the connections of this process; another event loop may open them again."""
    if get_servers.cache_info().currsize:
        for servers in get_servers().values():
            await servers.close()
        get_servers.cache_clear()
