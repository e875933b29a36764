"""Compares the provider, our orders and the ledger over a period, after reading and applying it once more.

The new read repairs what was only missed; what still differs needs a person.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text

from onramp_app.chain.words import PENDING, PROVEN, EvidenceState
from onramp_app.config import get_settings
from onramp_app.crediting.apply import apply_some, judge_again, retry_some
from onramp_app.crediting.delivery import delivered_amount, symbols_of
from onramp_app.db.engine import PROOF, execute, transaction
from onramp_app.db.moments import database_time
from onramp_app.domain.clock import now
from onramp_app.domain.environment import current_environment
from onramp_app.domain.money import amount_text
from onramp_app.domain.progress import report
from onramp_app.provider_orders.records import keep_orders, keep_unreadable
from onramp_app.providers.connection import ADAPTER
from onramp_app.providers.errors import ProviderBusy
from onramp_app.providers.port import Provider, ProviderOrder
from onramp_app.providers.status import Flow, StatusClass

# No order is first seen before it was placed, except where its date is in another time zone than it seems.
# The index has only `first_seen_at`, hence the two days' margin.
_ORDERS = text("""
SELECT o.order_id, o.status_class, o.is_ours, o.asset, o.network, s.scale, o.bought_amount, o.gas_fee,
       o.delivered_rule,
       o.version > o.applied_version AS is_waiting, o.apply_error,
       c.state AS shown_state, c.why AS shown_why, c.amount_minor AS shown_minor, c.credited_by,
       (SELECT sum(e.amount_minor) FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id
         WHERE t.provider_order_id = o.id AND t.kind = 'receive' AND e.amount_minor > 0) AS booked_minor
  FROM provider_orders o LEFT JOIN assets s ON s.code = o.asset
  LEFT JOIN chain_evidence c ON c.provider_order_id = o.id AND c.state <> 'dropped'
 WHERE o.environment = :environment AND o.flow = 'buy'
   AND coalesce(o.ordered_at, o.first_seen_at) >= :since AND coalesce(o.ordered_at, o.first_seen_at) < :until
   AND o.first_seen_at > CAST(:since AS timestamptz) - interval '2 days'
 ORDER BY o.order_id
""")


# Beyond that many refusals of one page the provider is not merely busy.
_MOST_REFUSALS = 20


@dataclass(frozen=True, slots=True)
class Drift:
    """One order on which the provider, our record and the ledger disagree. Amounts are decimal strings."""

    order_id: str
    what: str
    provider_says: str
    ledger_says: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How many orders each side has, how many the read changed, and on which ones the sides differ."""

    since: datetime
    until: datetime
    provider_orders: int
    our_orders: int
    booked_orders: int
    changed_by_reading: int
    drifts: tuple[Drift, ...]


async def reconcile(provider: Provider, *, since: datetime, until: datetime | None = None) -> Reconciliation:
    """Read every buy order since a moment, apply what is new, and compare the three sides.

    Args:
        provider: the connection to read from.
        since: compare orders created at or after this aware time.
        until: compare orders created before this aware time; None: now.

    Raises:
        ProviderUnavailable: the provider does not answer; what was recorded before stays.
        DatabaseUnavailable: as before, what was recorded stays.
    """
    until = until or now()
    by_id, changed = await _read(provider, since)
    symbols = symbols_of(await provider.id_maps(), get_settings())
    await judge_again()
    applied = 0
    for apply in (apply_some, retry_some):
        while some := (await apply(symbols)).orders:
            applied += some
            report(f"applying what was read, {applied} orders so far")
    report("comparing with the books")
    async with transaction(PROOF) as db:
        found = await execute(
            db, _ORDERS, {"environment": current_environment().value, "since": since, "until": until}
        )
        rows = [dict(row) for row in found.mappings()]
    return Reconciliation(
        since=since,
        until=until,
        provider_orders=sum(
            one.created_at is None or since <= one.created_at < until for one in by_id.values()
        ),
        our_orders=len(rows),
        booked_orders=sum(row["booked_minor"] is not None for row in rows),
        changed_by_reading=changed,
        drifts=tuple(drift for row in rows if (drift := _drift(row, by_id.get(row["order_id"]))) is not None),
    )


async def _read(provider: Provider, since: datetime) -> tuple[dict[str, ProviderOrder], int]:
    by_id: dict[str, ProviderOrder] = {}
    changed = 0
    environment = current_environment()
    for fiat_type in ADAPTER.fiat_types:
        next_page, refusals = 1, 0
        while True:
            asked_at = await database_time()
            try:
                async for page in provider.history(
                    flow=Flow.BUY, fiat_type=fiat_type, since=since, first_page=next_page
                ):
                    next_page, refusals = page.number + 1, 0
                    changed += await keep_orders(page.orders, environment=environment, asked_at=asked_at)
                    await keep_unreadable(page.unreadable, environment=environment, at=asked_at)
                    by_id.update((order.order_id, order) for order in page.orders)
                    report(f"reading the provider's history, {len(by_id)} orders so far")
                    asked_at = await database_time()
            except ProviderBusy as error:
                if (refusals := refusals + 1) > _MOST_REFUSALS:
                    raise
                await asyncio.sleep(error.retry_after_seconds or 1)
            else:
                break
    return by_id, changed


def _drift(row: Mapping[str, object], at_provider: ProviderOrder | None) -> Drift | None:
    booked, scale = row["booked_minor"], row["scale"]
    ledger = "nothing" if booked is None else f"{_text(booked, scale)} {row['asset']}"
    status = str(row["status_class"])
    is_delivered = status == StatusClass.DELIVERED.value
    delivered = _delivered(row)
    provider = f"{status}: {delivered} {row['asset']}" if delivered is not None else status
    what = None
    if at_provider is None:
        what = "the provider does not tell of it any more"
    elif row["is_waiting"]:
        what = f"not applied: {row['apply_error'] or 'waits'}"
    elif booked is not None and not is_delivered:
        what = "booked, and not delivered by the last read"
    elif booked is not None and delivered is not None and Decimal(_text(booked, scale)) != delivered:
        what = "booked with another amount"
    elif booked is None and is_delivered and row["shown_state"] == EvidenceState.MISSING:
        what = f"not on the network: {row['shown_why']}"
    elif booked is None and is_delivered and row["is_ours"] and delivered and not _is_awaited(row):
        what = "delivered to us and not booked"
    return None if what is None else Drift(str(row["order_id"]), what, provider, ledger)


def _is_awaited(row: Mapping[str, object]) -> bool:
    """Return whether the delivery still waits for its network, which does not count as a drift."""
    return row["shown_state"] in PENDING


def _text(minor: object, scale: object) -> str:
    return amount_text(int(str(minor)), scale=int(str(scale)))


def _delivered(row: Mapping[str, object]) -> Decimal | None:
    # Only a delivery to us has a rule, and with it an asset and a network.
    if row["delivered_rule"] is None:
        return None
    # What the network has shown counts, unless an operator credited the delivery first.
    if row["shown_state"] in PROVEN and row["credited_by"] is None:
        return None if row["shown_minor"] is None else Decimal(_text(row["shown_minor"], row["scale"]))
    bought, fee = row["bought_amount"], row["gas_fee"]
    delivered = delivered_amount(
        bought if isinstance(bought, Decimal) else None,
        fee if isinstance(fee, Decimal) else None,
        rule=str(row["delivered_rule"]),
        asset=str(row["asset"]),
        network=str(row["network"]),
    )
    return None if delivered is None else delivered.exact
