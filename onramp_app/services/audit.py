"""The audit log: one line for each deed with power over an account, money, or where it goes.

Lines are only ever added, and the hash chain of the books covers them (`python -m onramp_app verify-ledger`).
"""

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.ledger_tables import AuditRow

MAX_SUBJECT_LENGTH = 200
COMMAND = "command"  # Whoever could run a command on the machine; no account says who.
SYSTEM = "system"


class Act(StrEnum):
    """What happened to an account (the subject), or to where money goes."""

    ACCOUNT_CREATED = "account.created"
    ROLE_GRANTED = "account.role_granted"
    PASSWORD_CHANGED = "account.password_changed"  # noqa: S105 - the name of an event  # nosec B105
    NEW_DEVICE = "account.new_device"
    SESSION_ENDED = "session.ended"
    REFRESH_TOKEN_REUSED = "session.refresh_token_reused"  # noqa: S105 - the name of an event  # nosec B105
    TREASURY_ADDRESSES = "treasury.addresses"


def write(  # noqa: PLR0913 - the columns of the log
    db: AsyncSession,
    action: str,
    *,
    actor: str,
    subject: str,
    at: datetime,
    detail: Mapping[str, object],
    address: str = "",
) -> None:
    """Add a line, in the transaction of the deed. `detail` is JSON of at most 4,000 characters."""
    db.add(
        AuditRow(
            at=at,
            actor=actor,
            action=action,
            subject=subject[:MAX_SUBJECT_LENGTH],
            address=address,
            detail=json.dumps(detail, ensure_ascii=False),
        )
    )
