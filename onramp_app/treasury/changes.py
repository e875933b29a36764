"""Watches `TREASURY_ADDRESSES` for changes: an attacker who changes it redirects people's crypto.

The audit log records the addresses found at each start. A difference raises an alarm but refuses nothing,
because operators also change addresses on purpose.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from prometheus_client import Counter
from sqlalchemy import ColumnElement
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import Settings, get_settings
from onramp_app.db.engine import transaction
from onramp_app.db.locks import Lock
from onramp_app.domain import clock
from onramp_app.domain.environment import current_environment
from onramp_app.ledger import audit
from onramp_app.ledger.tables import AuditRow
from onramp_app.setting_forms import TreasuryAddress

_MAX_RECORDED_LENGTH = 3_000  # of the 4,000 characters that a line of the audit log can hold

_CHANGES = Counter("treasury_address_changes", "Starts that found other treasury addresses than before.")
_log = structlog.get_logger(__name__)


def _subject(network: str) -> str:
    return f"treasury:{current_environment()}:{network}"


def _recordable(addresses: Sequence[TreasuryAddress]) -> list[dict[str, object]]:
    return [address.model_dump(mode="json", exclude_none=True) for address in addresses]


def _fingerprint(addresses: Sequence[TreasuryAddress]) -> str:
    return hashlib.sha256(json.dumps(_recordable(addresses), sort_keys=True).encode()).hexdigest()


def _is_of_environment() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that select this environment's addresses in the audit log."""
    return (
        col(AuditRow.action) == audit.Act.TREASURY_ADDRESSES,
        col(AuditRow.subject).startswith(_subject(""), autoescape=True),
    )


async def _recorded(db: AsyncSession) -> dict[str, str]:
    """Return, by network, the hash of the addresses last recorded."""
    query = select(AuditRow.subject, AuditRow.detail).where(*_is_of_environment())
    rows = (await db.exec(query.order_by(col(AuditRow.at), col(AuditRow.id)))).all()  # a later one wins
    return {subject.removeprefix(_subject("")): json.loads(detail)["sha256"] for subject, detail in rows}


def _differences(recorded: Mapping[str, str], settings: Settings) -> list[str]:
    # A recorded network without addresses now is compared as one with an empty list.
    current = {network: settings.treasury_addresses.get(network, ()) for network in sorted(recorded)}
    return [network for network, addresses in current.items() if recorded[network] != _fingerprint(addresses)]


async def changed_since_recorded(db: AsyncSession, settings: Settings) -> list[str]:
    """Return the networks whose addresses differ from those last recorded, even if they have none now.

    A network that was never recorded does not differ.
    """
    return _differences(await _recorded(db), settings)


async def last_recorded_at(db: AsyncSession) -> datetime | None:
    """Return when addresses were last recorded in this environment, or None."""
    return (await db.exec(select(func.max(AuditRow.at)).where(*_is_of_environment()))).one()


async def record_changes() -> list[str]:
    """Record new and changed addresses, raise an alarm for changed ones, and return the changed networks.

    Raises:
        DatabaseUnavailable: nothing was recorded.
    """
    settings = get_settings()
    async with transaction() as db:
        # Without the lock, two instances that start at the same time would both report the same change.
        await db.exec(select(func.pg_advisory_xact_lock(Lock.TREASURY)))
        recorded = await _recorded(db)
        changed = _differences(recorded, settings)
        for network in sorted({*changed, *(settings.treasury_addresses.keys() - recorded.keys())}):
            _record(db, network, settings.treasury_addresses.get(network, ()))
    for network in changed:
        _CHANGES.inc()
        _log.error("treasury addresses changed", network=network)
    return changed


def _record(db: AsyncSession, network: str, addresses: Sequence[TreasuryAddress]) -> None:
    listed = _recordable(addresses)
    while len(json.dumps(listed, ensure_ascii=False)) > _MAX_RECORDED_LENGTH:
        listed.pop()
    audit.write(
        db,
        audit.Act.TREASURY_ADDRESSES,
        actor=audit.SYSTEM,
        subject=_subject(network),
        at=clock.now(),
        detail={"sha256": _fingerprint(addresses), "count": len(addresses), "addresses": listed},
    )
