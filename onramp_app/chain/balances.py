"""Counts the balances at the treasury's addresses, as read from the networks themselves."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from onramp_app.chain.errors import ServerFailed, ServersAway
from onramp_app.chain.networks import Token, token_of
from onramp_app.chain.rpc import RpcServer, octets, quantity
from onramp_app.chain.servers import Servers
from onramp_app.db.engine import PROOF, transaction
from onramp_app.domain.errors import ApplicationError, ValidationFailed
from onramp_app.domain.money import from_minor
from onramp_app.ledger.balances import TreasuryTotal, treasury_totals
from onramp_app.treasury.counts import Count

# The first four bytes of keccak256("balanceOf(address)") (ERC-20).
BALANCE_OF = "0x70a08231"


class NetworkUnavailable(ApplicationError):
    """A network on which balances have to be counted cannot be read."""

    status = 503
    code = "provider_unavailable"
    title = "A network cannot be read"


async def count_balances(servers: Mapping[str, Servers]) -> list[Count]:
    """Count the present balance of every treasury account in the books whose network is in `servers`.

    Accounts on other networks are left out: the comparison lists them as not counted.

    Raises:
        ValidationFailed: `CHAIN_RPC` names no network.
        NetworkUnavailable: a network does not answer.
        DatabaseUnavailable: the books cannot be read.
    """
    if not servers:
        raise ValidationFailed("CHAIN_RPC names no network, so nothing can be counted.")
    async with transaction(PROOF) as db:
        totals = [total for total in await treasury_totals(db) if total.network in servers]
    counts: list[Count] = []
    for name, those in servers.items():
        counts += await _count_network(those, [total for total in totals if total.network == name])
    return counts


async def _count_network(servers: Servers, totals: Sequence[TreasuryTotal]) -> list[Count]:
    if not totals:
        return []
    name, reason = servers.network.name, ""
    try:
        async for sight in servers.sights():
            try:
                return [
                    Count(total.network, total.address, total.asset, amount, datetime.now(UTC).date())
                    for total in totals
                    if (amount := await _balance(sight.server, total)) is not None
                ]
            except ServerFailed as error:
                reason = str(error)
    except ServersAway as error:
        reason = str(error)
    raise NetworkUnavailable(f"No server of {name} can be read: {reason}.")


async def _balance(server: RpcServer, total: TreasuryTotal) -> Decimal | None:
    """Return the balance of an address, in whole units; None for an asset whose contract is unknown."""
    token: Token | None = token_of(total.asset, total.network)
    if token is None:
        return None
    if token.contract is None:
        units = quantity(await server.call("eth_getBalance", total.address, "latest"), bits=256)
    else:
        data = BALANCE_OF + total.address.removeprefix("0x").rjust(64, "0")
        answer = await server.call("eth_call", {"to": token.contract, "data": data}, "latest")
        units = int(octets(answer, length=32), 16)
    return from_minor(units, scale=token.decimals)
