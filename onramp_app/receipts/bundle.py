"""What support needs to find out what became of one transaction, as one file that its owner sends to them.

Ids, times, states, amounts, the provider's orders and versions. What is not named here is not in it: no name,
no address of a mail or network, nothing that opens a payment page or proves a sign-in, no sentence that
anybody wrote, nothing as the provider sent it. docs/privacy.md lists the members.
"""

import json
import platform
import tomllib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.views import Viewer
from onramp_app.cases.tables import Case
from onramp_app.chain.tables import ChainEvidence
from onramp_app.config import PROJECT_DIR, get_settings
from onramp_app.db.engine import transaction
from onramp_app.db.migrate import latest_revision
from onramp_app.domain import clock
from onramp_app.domain.ids import reference_of
from onramp_app.domain.money import decimal_text
from onramp_app.local.release import running_commit
from onramp_app.pricing.quotes import quote_members
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.receipts.codes import code_of
from onramp_app.receipts.facts import Amount, ReceiptFacts, facts_of
from onramp_app.throttle import throttle
from onramp_app.top_ups.tables import TopUp, TopUpStep

_MOST = 200  # of each list; nobody reads more, and a provider that wavers may write many
_Member = dict[str, Any]


async def support_bundle(viewer: Viewer, transaction_id: str) -> str:
    """Return the file about one of the viewer's transactions, as JSON.

    Raises:
        NotFound: there is none, or it is somebody else's.
        RateLimited: too many were asked for.
    """
    await throttle.attempt(throttle.RECEIPT, viewer.user_id)
    facts = await facts_of(viewer, transaction_id)
    document = {
        "made_at": _moment(clock.now()),
        "versions": _versions(),
        "environment": facts.environment,
        "account_id": viewer.user_id,
        "transaction": _transaction(facts),
    }
    if facts.top_up is not None:
        async with transaction() as db:
            document |= await _of_top_up(db, facts.id)
    return json.dumps(document, indent=1) + "\n"


def _transaction(facts: ReceiptFacts) -> _Member:
    top_up = facts.top_up
    about = {
        "id": facts.id,
        "reference": reference_of(facts.id),
        "receipt": code_of(facts),
        "kind": facts.kind,
        "created_at": _moment(facts.created_at),
        "booked_at": _moment(facts.settled_at),
        "booked": _amount(facts.amount),
        "belongs_to": facts.belongs_to or None,
    }
    if top_up is None:
        return about
    return about | {
        "status": top_up.status,
        "reason": top_up.reason,
        "charged": top_up.charged,
        "asked": _amount(top_up.asked),
        "paid": _amount(top_up.paid),
        "asset": facts.asset,
        "network": top_up.network,
        "payment_method": top_up.method,
        "quote": quote_members(top_up.quote) if top_up.quote else None,
    }


async def _of_top_up(db: AsyncSession, top_up_id: str) -> _Member:
    row = await db.get_one(TopUp, top_up_id)
    of_it = col(OrderRecord.top_up_id) == top_up_id
    orders = (
        await db.exec(select(OrderRecord).where(of_it).order_by(col(OrderRecord.id)).limit(_MOST))
    ).all()
    named = {order.id: order.order_id for order in orders}
    steps = await db.exec(
        select(TopUpStep)
        .where(col(TopUpStep.top_up_id) == top_up_id)
        .order_by(col(TopUpStep.id))
        .limit(_MOST)
    )
    cases = await db.exec(
        select(Case).where(col(Case.top_up_id) == top_up_id).order_by(col(Case.opened_at)).limit(_MOST)
    )
    evidence = await db.exec(
        select(ChainEvidence).where(col(ChainEvidence.provider_order_id).in_(list(named)))
    )
    return {
        "updated_at": _moment(row.updated_at),
        "claimed_at": _moment(row.claimed_at),
        "steps": [_step(step, named) for step in steps],
        "provider_orders": [_order(order) for order in orders],
        "networks": [_look(look, named) for look in evidence],
        "cases": [
            {"kind": case.kind, "opened_at": _moment(case.opened_at), "closed_at": _moment(case.closed_at)}
            for case in cases
        ],
    }


def _step(step: TopUpStep, named: dict[str, str]) -> _Member:
    # Neither `detail`, which people wrote, nor `actor`, which may be an operator.
    return {
        "at": _moment(step.at),
        "status": step.status,
        "reason": step.reason,
        "charged": step.charged,
        "source": step.source,
        "act": step.act,
        "status_class": step.status_class,
        "hold": step.hold,
        "provider_order": named.get(step.provider_order_id or ""),
    }


def _order(order: OrderRecord) -> _Member:
    paid = order.fiat_amount
    return {
        "order_id": order.order_id,
        "flow": order.flow,
        "status_number": order.status_number,
        "status_class": order.status_class,
        "class_since": _moment(order.class_since),
        "amount": None if paid is None else decimal_text(paid),
        "currency": order.fiat_currency,
        "transaction_hash": order.transaction_hash,
        "ordered_at": _moment(order.ordered_at),
        "first_seen_at": _moment(order.first_seen_at),
        "read_at": _moment(order.read_at),
        "version": order.version,
        "applied_version": order.applied_version,
    }


def _look(look: ChainEvidence, named: dict[str, str]) -> _Member:
    return {
        "provider_order": named.get(look.provider_order_id),
        "network": look.network,
        "state": look.state,
        "block_number": look.block_number,
        "confirmed_at": _moment(look.confirmed_at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _amount(amount: Amount | None) -> _Member | None:
    return None if amount is None else {"amount": amount.number, "unit": amount.unit}


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["project"]
    return {
        "application": str(project["version"]),
        "commit": running_commit(get_settings()),
        "schema": latest_revision(),
        "python": platform.python_version(),
    }
