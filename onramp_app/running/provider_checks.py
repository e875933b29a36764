"""Checks against the provider: app id, patterns of our addresses, chain ids, webhooks, request limits."""

import re

from onramp_app.chain.networks import NETWORKS
from onramp_app.config import Settings
from onramp_app.db.engine import transaction
from onramp_app.db.migrate import schema_is_current
from onramp_app.provider_orders.observed import busy_answers, first_webhook
from onramp_app.provider_orders.walks import open_walks
from onramp_app.providers.port import CoinsAndChains
from onramp_app.running.parts import UnwellError
from onramp_app.treasury.address_forms import UnusableAddress, check_address
from onramp_app.treasury.places import Place, places_of

# The provider's demo apps: people type in an address there, and the one in our link is ignored.
DEMO_APP_IDS = (1, 2)


async def app_id(settings: Settings) -> str:
    """Refuse the app ids of the provider's demo apps, which never deliver to our addresses."""
    if settings.onramp_app_id in DEMO_APP_IDS:
        raise UnwellError(
            f"ONRAMP_APP_ID is {settings.onramp_app_id}, one of the provider's demonstrations: it ignores our"
            " address, so nothing that is paid there ever arrives. Ask the provider for an id of your own."
        )
    return f"ONRAMP_APP_ID is {settings.onramp_app_id}."


def refuse_addresses(settings: Settings, found: CoinsAndChains) -> str:
    """Compare every treasury address and memo with the provider's own pattern for its network.

    Raises:
        UnwellError: the provider would refuse an address, or a memo.
    """
    patterns = {chain.symbol: chain for chain in found.chains.values()}
    unknown = set()
    for place in places_of(settings):
        if _is_named_already(place):
            continue
        chain = patterns.get(place.network)
        if chain is None or chain.address_pattern is None:
            unknown.add(place.network)
            continue
        fits = re.fullmatch(chain.address_pattern, place.address)
        memo_fits = not place.memo or not chain.memo_pattern or re.fullmatch(chain.memo_pattern, place.memo)
        if not fits or not memo_fits:
            what = "a memo" if fits else "an address"
            raise UnwellError(
                f"TREASURY_ADDRESSES: {what} of {place.network} is not what the provider takes for one."
            )
    if unknown:
        return f"The provider gives no pattern for addresses of {', '.join(sorted(unknown))}."
    return "Every treasury address fits the provider's own pattern."


def refuse_other_chains(settings: Settings, found: CoinsAndChains) -> str:
    """Compare the chains that `CHAIN_RPC` reads with the ids that the provider names for its networks.

    Returns:
        A sentence with a leading space, or "" where there is nothing to compare.

    Raises:
        UnwellError: the provider delivers on a different chain from the one that is read.
    """
    named = {chain.symbol: chain.evm_id for chain in found.chains.values() if chain.evm_id is not None}
    compared = {name: named[name] for name in settings.chain_rpc if name in NETWORKS and name in named}
    for name, evm_id in compared.items():
        if evm_id != NETWORKS[name].chain_id:
            raise UnwellError(
                f"{name} is chain {evm_id} to the provider, and CHAIN_RPC reads chain"
                f" {NETWORKS[name].chain_id}: what it delivers would never be seen there."
            )
    return " The provider means the same chains by the names in CHAIN_RPC." if compared else ""


def _is_named_already(place: Place) -> bool:
    """Return whether the check "treasury addresses" already reports this address."""
    try:
        check_address(place.network, place.address, memo=place.memo)
    except UnusableAddress:
        return True
    return False


async def webhooks(settings: Settings) -> str:
    """Report what the signed header of the first webhook carried, which the provider does not document."""
    if not await _is_readable(settings):
        return "They are looked at once the schema is up to date."
    first = await first_webhook()
    if first is None:
        return "None has come yet. Without webhooks payments are found by reading, every ONRAMP_POLL_SECONDS."
    carried = {
        (True, True): "the event and its time",
        (True, False): "the event without a time, so ONRAMP_WEBHOOK_MAX_AGE_SECONDS cannot apply",
        (False, True): "a time and no event, so the body is only a hint",
        (False, False): "neither the event nor a time, so the body is only a hint",
    }[first.has_event, first.has_time]
    return (
        f"The signed header of the first one, of {first.received_at:%Y-%m-%d %H:%M} UTC, carried {carried}."
    )


async def reading(settings: Settings) -> str:
    """Report how often we read the provider's orders, and how often it answered 429 (too many requests)."""
    if not await _is_readable(settings):
        return "It is looked at once the schema is up to date."
    walks, busy = await open_walks(), await busy_answers()
    a_minute = len(walks) * 60 / settings.onramp_poll_seconds
    allowed = settings.onramp_requests_per_minute
    said = (
        f"Lists with open top-ups: {len(walks)}, each read every {settings.onramp_poll_seconds} s, about"
        f" {a_minute:.0f} of {allowed} requests a minute."
    )
    if busy is None:
        return f"{said} The provider never answered that this is too much (429)."
    return (
        f"{said} The provider answered {busy.times} times that this is too much (429), last on"
        f" {busy.last_at:%Y-%m-%d %H:%M} UTC."
    )


async def _is_readable(settings: Settings) -> bool:
    if settings.database_url is None:
        return False
    async with transaction() as db:
        return await schema_is_current(db)
