"""The provider's health in words, for people who are about to pay."""

import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from onramp_app.config import get_settings
from onramp_app.db.engine import execute, transaction
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.pricing.catalogue import PausedPair, get_options
from onramp_app.providers.connection import get_provider
from onramp_app.providers.status import HealthState
from onramp_app.texts import _, sentences

KEPT_SECONDS = 15

# The index has the payment method before the time, and there are few methods: looking up each in turn is as
# quick with a million rows as with ten.
_LAST_SETTLED = text("""
WITH RECURSIVE methods AS (
    (SELECT payment_method FROM top_ups WHERE environment = :environment AND status = 'settled'
      ORDER BY payment_method LIMIT 1)
    UNION ALL
    SELECT (SELECT t.payment_method FROM top_ups t
             WHERE t.environment = :environment AND t.status = 'settled'
               AND t.payment_method > methods.payment_method
             ORDER BY t.payment_method LIMIT 1)
      FROM methods WHERE methods.payment_method IS NOT NULL
)
SELECT max((SELECT max(t.settled_at) FROM top_ups t
             WHERE t.environment = :environment AND t.status = 'settled'
               AND t.payment_method = methods.payment_method))
  FROM methods WHERE payment_method IS NOT NULL
""")

_kept: dict[str, tuple[float, datetime | None]] = {}


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """The provider's health: `state` is `ok`, `slow` or `away`, `since` when (None while it is ok).

    `last_settled_at`: when anybody's payment was last credited; None: never, or unreadable at the moment.
    `paused`: the names of networks, and of assets on networks, on which the provider sends nothing. `text`:
    one to three sentences for people.
    """

    state: HealthState
    since: datetime | None
    last_settled_at: datetime | None
    paused: tuple[str, ...]
    text: str


def forget() -> None:
    """Clear the cached time of the last credit, so that the next call reads the database."""
    _kept.clear()


async def provider_status(asset: str | None = None) -> ProviderStatus:
    """Return the provider's health as this process sees it. Never raises.

    Args:
        asset: report only where this asset is paused; None: report every pause among what we offer.
    """
    health = get_provider().health()
    pairs = [one for one in get_options().paused() if asset in (None, one.asset)]
    paused = tuple(dict.fromkeys(_paused_text(one, of_one=asset is not None) for one in pairs))
    words = _words(health.state, ", ".join(paused))
    return ProviderStatus(health.state, health.since, await _last_settled_at(), paused, words)


def _paused_text(pair: PausedPair, *, of_one: bool) -> str:
    if pair.is_whole_network and not of_one:
        return pair.network_name
    return _("{asset} on {network}").format(asset=pair.asset, network=pair.network_name)


def _words(state: HealthState, paused: str) -> str:
    name = get_settings().provider_name
    if state is HealthState.OK:
        if not paused:
            return _("{provider} is working normally.").format(provider=name)
        return _("{provider} has paused {pairs}. Everything else works normally.").format(
            provider=name, pairs=paused
        )
    words = (
        _("{provider} is slow right now. Payments may take longer than usual to arrive.")
        if state is HealthState.SLOW
        else _(
            "{provider} isn't answering right now. Wait before you pay. Payments already made aren't lost."
        )
    )
    words = words.format(provider=name)
    return sentences(words, _("It has also paused {pairs}.").format(pairs=paused) if paused else "")


async def _last_settled_at() -> datetime | None:
    environment = current_environment().value
    kept = _kept.get(environment)
    if kept is not None and time.monotonic() - kept[0] < KEPT_SECONDS:
        return kept[1]
    try:
        async with transaction() as db:
            at: datetime | None = (await execute(db, _LAST_SETTLED, {"environment": environment})).scalar()
    except DatabaseUnavailable:
        at = (
            kept[1] if kept is not None else None
        )  # Cached too, so that not everybody waits for a database that is down.
    _kept[environment] = time.monotonic(), at
    return at
