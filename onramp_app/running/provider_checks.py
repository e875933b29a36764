"""What `python -m onramp_app check` finds out about the provider and our addresses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

from onramp_app.config import Settings
from onramp_app.domain import clock
from onramp_app.domain.errors import ApplicationError
from onramp_app.providers.errors import ProviderCredentialsRefused, Suspect
from onramp_app.providers.onramp.client import api_url, client_from, transport_from
from onramp_app.providers.onramp.endpoints import CURRENT_TIMESTAMP
from onramp_app.providers.onramp.transport import Transport
from onramp_app.providers.onramp.wire import int_or_none
from onramp_app.running.checked import UnwellError
from onramp_app.treasury.address_forms import UnusableAddress, check_address, is_known

# Further off than any way to the provider and back takes.
MAX_CLOCK_SECONDS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REFUSED = {
    Suspect.KEY: "ONRAMP_API_KEY is wrong: the provider does not know this key.",
    Suspect.SECRET: "ONRAMP_API_SECRET is wrong: the provider refuses what is signed with it.",
    Suspect.EITHER: "ONRAMP_API_KEY or ONRAMP_API_SECRET is wrong: the provider refuses them.",
}


def _who(settings: Settings) -> str:
    parts = urlsplit(api_url(settings))
    host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    return f"{'The simulator' if settings.uses_simulator else 'The provider'} at {host}"


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Transport]:
    transport = transport_from(settings)
    try:
        yield transport
    except ProviderCredentialsRefused as error:
        raise UnwellError(_REFUSED[error.suspect]) from error
    except ApplicationError as error:
        hint = "it runs while `reflex run` does" if settings.uses_simulator else "look at ONRAMP_API_URL"
        raise UnwellError(f"{_who(settings)} does not answer ({hint}): {error.detail}") from error
    finally:
        await transport.close()


async def provider(settings: Settings) -> str:
    """Look whether the provider answers at all."""
    async with _connected(settings) as transport:
        await transport.call(CURRENT_TIMESTAMP)
    return f"{_who(settings)} answers."


async def provider_clock(settings: Settings) -> str:
    """Compare our clock with the provider's, which refuses what is signed ahead of its time."""
    async with _connected(settings) as transport:
        theirs = int_or_none((await transport.call(CURRENT_TIMESTAMP)).data)
    if theirs is None:
        raise UnwellError("The provider tells no time that can be read.")
    ahead_seconds = (clock.now() - _EPOCH).total_seconds() - theirs / 1000
    if abs(ahead_seconds) > MAX_CLOCK_SECONDS:
        where = "ahead of" if ahead_seconds > 0 else "behind"
        raise UnwellError(
            f"This machine's clock is {abs(ahead_seconds):.0f} s {where} the provider's. Set it by a time"
            " server; until then requests are signed with the provider's time."
        )
    return "This machine's clock agrees with the provider's."


async def provider_account(settings: Settings) -> str:
    """Make a signed request, and see whether what `ASSETS` offers can be bought."""
    async with _connected(settings) as transport:
        found = await client_from(settings, transport).coins_and_chains()
    for asset, networks in settings.assets.items():
        coin = found.coins.get(asset.lower())
        symbols = (
            {found.chains[chain].symbol for chain in coin.chain_ids if chain in found.chains}
            if coin
            else set()
        )
        for network in networks:
            if network not in symbols:
                raise UnwellError(f"ASSETS offers {asset} on {network}, which the provider does not sell.")
    return "The provider accepts key and secret, and sells everything that ASSETS offers."


async def treasury_addresses(settings: Settings) -> str:
    """Look at the form and checksum of every treasury address. What is sent to a wrong one is lost."""
    unknown = set()
    for network, addresses in settings.treasury_addresses.items():
        for number, treasury in enumerate(addresses, start=1):
            try:
                check_address(network, treasury.address, memo=treasury.memo)
            except UnusableAddress as error:
                raise UnwellError(
                    f"TREASURY_ADDRESSES: address {number} of {network} is wrong: {error}."
                ) from None
        if not is_known(network):
            unknown.add(network)
    if unknown:
        names = ", ".join(sorted(unknown))
        return f"Compare those of {names} by hand: their form is not known. All others are right."
    return "Each has the form and, where there is one, the checksum of its network."
