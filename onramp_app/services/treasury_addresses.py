"""Whether `TREASURY_ADDRESSES` is what it was: whoever can change it sends people's crypto elsewhere.

The audit log keeps what each start found. A difference is an alarm, not a refusal: the operator changes
addresses on purpose too.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from prometheus_client import Counter
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import Settings, TreasuryAddress, get_settings
from onramp_app.db.engine import transaction
from onramp_app.db.ledger_tables import AuditRow
from onramp_app.db.locks import Lock
from onramp_app.domain import clock
from onramp_app.services import audit
from onramp_app.services.environment import current_environment

_MAX_TOLD_LENGTH = 3_000  # of the 4,000 characters that a line of the audit log has

_CHANGES = Counter("treasury_address_changes", "Starts that found other treasury addresses than before.")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the audit log says of one network: the hash of its addresses, and when it was written."""

    fingerprint: str
    at: datetime


def _subject(network: str) -> str:
    return f"treasury:{current_environment()}:{network}"


def _told(addresses: Sequence[TreasuryAddress]) -> list[dict[str, object]]:
    return [address.model_dump(mode="json", exclude_none=True) for address in addresses]


def _fingerprint(addresses: Sequence[TreasuryAddress]) -> str:
    return hashlib.sha256(json.dumps(_told(addresses), sort_keys=True).encode()).hexdigest()


async def _recorded(db: AsyncSession, network: str) -> Recorded | None:
    query = select(AuditRow).where(
        AuditRow.action == audit.Act.TREASURY_ADDRESSES, AuditRow.subject == _subject(network)
    )
    row = (await db.exec(query.order_by(col(AuditRow.at).desc(), col(AuditRow.id).desc()).limit(1))).first()
    return Recorded(json.loads(row.detail)["sha256"], row.at) if row else None


async def changed_since_recorded(db: AsyncSession, settings: Settings) -> list[str]:
    """Return the networks whose addresses differ from what was last recorded; unrecorded ones do not."""
    changed = []
    for network, addresses in sorted(settings.treasury_addresses.items()):
        recorded = await _recorded(db, network)
        if recorded is not None and recorded.fingerprint != _fingerprint(addresses):
            changed.append(network)
    return changed


async def last_recorded_at(db: AsyncSession) -> datetime | None:
    """Return when addresses were last recorded in this environment, or None."""
    query = select(func.max(AuditRow.at)).where(
        AuditRow.action == audit.Act.TREASURY_ADDRESSES,
        col(AuditRow.subject).startswith(_subject(""), autoescape=True),
    )
    return (await db.exec(query)).one()


async def record_changes() -> list[str]:
    """Record what the settings say where it is new, and raise the alarm where it differs from before.

    Returns the networks that differ.

    Raises:
        DatabaseUnavailable: it could not be read or written.
    """
    settings = get_settings()
    async with transaction() as db:
        # One after the other, or two instances that start together both tell of the same change.
        await db.exec(select(func.pg_advisory_xact_lock(Lock.TREASURY)))
        changed = await changed_since_recorded(db, settings)
        for network, addresses in sorted(settings.treasury_addresses.items()):
            if network in changed or await _recorded(db, network) is None:
                _record(db, network, addresses)
    for network in changed:
        _CHANGES.inc()
        _log.error("treasury addresses changed", network=network)
    return changed


def _record(db: AsyncSession, network: str, addresses: Sequence[TreasuryAddress]) -> None:
    told = _told(addresses)
    while len(json.dumps(told, ensure_ascii=False)) > _MAX_TOLD_LENGTH:
        told.pop()
    audit.write(
        db,
        audit.Act.TREASURY_ADDRESSES,
        actor=audit.SYSTEM,
        subject=_subject(network),
        at=clock.now(),
        detail={"sha256": _fingerprint(addresses), "count": len(addresses), "addresses": told},
    )
