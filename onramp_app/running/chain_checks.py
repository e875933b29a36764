"""Checks the servers of `CHAIN_RPC`, and `ONRAMP_DELIVERED_RULE` against the first delivery on a network."""

import asyncio
import time

from onramp_app.chain.errors import ServerFailed
from onramp_app.chain.rpc import RpcServer
from onramp_app.chain.servers import (
    MAX_HEAD_AGE_SECONDS,
    Servers,
    read_block,
    refuse_other_chain,
    servers_from,
)
from onramp_app.chain.status import fitting_rule
from onramp_app.config import ConfigurationError, Settings
from onramp_app.db.engine import transaction
from onramp_app.db.migrate import schema_is_current
from onramp_app.running.parts import UnwellError


async def servers(settings: Settings) -> str:
    """Ask each server for its chain id and the age of its newest block.

    Raises:
        UnwellError: `CHAIN_RPC` is unusable, or one of its servers is.
    """
    if not settings.chain_rpc:
        return "CHAIN_RPC is not set: deliveries are believed by the provider's word."
    try:
        all_of_them = servers_from(settings)
    except ConfigurationError as error:
        raise UnwellError(str(error)) from None
    try:
        pairs = [(those, server) for those in all_of_them.values() for server in those.all]
        found = await asyncio.gather(*(_looked_at(those, server) for those, server in pairs))
    finally:
        for those in all_of_them.values():
            await those.close()
    sentences = [sentence for sentence, _ in found]
    if not all(is_well for _, is_well in found):
        raise UnwellError(" ".join(sentences))
    return " ".join(sentences)


async def _looked_at(servers: Servers, server: RpcServer) -> tuple[str, bool]:
    """Return a sentence about one server, and whether it can be used."""
    name = f"{servers.network.name} at {server.host}"
    try:
        await refuse_other_chain(server, servers.network)
        head = await read_block(server)
        if head is None:
            raise ServerFailed("it has no block yet")
    except ServerFailed as error:
        return f"{name} cannot be used: {error}.", False
    age = max(0, int(time.time() - head.made_at))
    if age > MAX_HEAD_AGE_SECONDS:
        return f"{name} stands still: its newest block is {age // 60} minutes old.", False
    return f"{name} answers for chain {servers.network.chain_id}, its newest block is {age} s old.", True


async def delivered_rule(settings: Settings) -> str:
    """Return which `ONRAMP_DELIVERED_RULE` fits the first delivery that a network has shown.

    Raises:
        UnwellError: neither rule fits, or another one is set.
    """
    if settings.database_url is None:
        return "A running application says which rule fits."
    async with transaction() as db:
        if not await schema_is_current(db):
            return "It is compared once the schema is up to date."
        fit = await fitting_rule(db)
    if fit is None:
        return "No network has shown a delivery with a network fee yet that could be compared."
    figures = (
        f"Of order {fit.order_id}, {fit.bought} {fit.asset} were bought, the fee was {fit.fee},"
        f" and {fit.arrived} arrived"
    )
    if fit.rule is None:
        raise UnwellError(f"{figures}: neither actual nor actual_minus_gas fits. Ask the provider.")
    if fit.rule != settings.onramp_delivered_rule:
        raise UnwellError(f"{figures}: set ONRAMP_DELIVERED_RULE={fit.rule} for networks that nobody reads.")
    return f"{figures}: ONRAMP_DELIVERED_RULE={fit.rule} fits."
