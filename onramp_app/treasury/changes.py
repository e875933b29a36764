"""Watches `TREASURY_ADDRESSES` for changes: an attacker who changes it redirects people's crypto.

The audit log keeps the addresses that each start found. A difference raises an alarm and refuses nothing,
because operators change addresses on purpose too.
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

_MAX_RECORDED_LENGTH = 3_000  # of the 4,000 characters that a line of the audit log has

_CHANGES = Counter("treasury_address_changes", "Starts that found other treasury addresses than before.")
_log = structlog.get_logger(__name__)


def _subject(network: str) -> str:
    return f"treasury:{current_environment()}:{network}"


def _recordable(addresses: Sequence[TreasuryAddress]) -> list[dict[str, object]]:
    return [address.model_dump(mode="json", exclude_none=True) for address in addresses]


def _fingerprint(addresses: Sequence[TreasuryAddress]) -> str:
    return hashlib.sha256(json.dumps(_recordable(addresses), sort_keys=True).encode()).hexdigest()


def _is_of_environment() -> tuple[ColumnElement[bool], ...]:
    """Return the condition that selects this environment's addresses in the audit log."""
    return (
        col(AuditRow.action) == audit.Act.TREASURY_ADDRESSES,
        col(AuditRow.subject).startswith(_subject(""), autoescape=True),
    )


async def _recorded(db: AsyncSession) -> dict[str, str]:
    """Return, by network, the hash of the addresses that were recorded last."""
    query = select(AuditRow.subject, AuditRow.detail).where(*_is_of_environment())
    rows = (await db.exec(query.order_by(col(AuditRow.at), col(AuditRow.id)))).all()  # a later one wins
    return {subject.removeprefix(_subject("")): json.loads(detail)["sha256"] for subject, detail in rows}


def _differences(recorded: Mapping[str, str], settings: Settings) -> list[str]:
    # A network that is recorded and has no addresses any more is compared as one with none.
    current = {network: settings.treasury_addresses.get(network, ()) for network in sorted(recorded)}
    return [network for network, addresses in current.items() if recorded[network] != _fingerprint(addresses)]


async def changed_since_recorded(db: AsyncSession, settings: Settings) -> list[str]:
    """Return the networks whose addresses differ from those recorded last, also networks without any now.

    A network that was never recorded does not differ.
    """
    return _differences(await _recorded(db), settings)


async def last_recorded_at(db: AsyncSession) -> datetime | None:
    """Return when addresses were last recorded in this environment, or None."""
    return (await db.exec(select(func.max(AuditRow.at)).where(*_is_of_environment()))).one()


async def record_changes() -> list[str]:
    """Record addresses that are new, raise an alarm where they changed, and return the changed networks.

    Raises:
        DatabaseUnavailable: nothing was read or recorded.
    """
    settings = get_settings()
    async with transaction() as db:
        # Without the lock two instances that start together would both report the same change.
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
