"""The audit log: one line for each deed with power over an account, over money or over where money goes.

Lines are only ever added, and the hash chain of the books covers them (`python -m onramp_app verify-ledger`).
"""

import getpass
import json
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.personal import Part
from onramp_app.ledger.tables import AuditRow

MAX_SUBJECT_LENGTH = 200
OWN_A_DAY = 20
_MAX_ADDRESS_LENGTH = 45
COMMAND = "command"  # Somebody who can run commands on the machine; no account says who.
SYSTEM = "system"

# What the log holds about a person, for their file. From where an operator acted, and why, is the operator's.
LINES = Part(
    name="audit_log",
    shows={
        "at": "audit_log.at",
        "action": "audit_log.action",
        "address": "CASE WHEN actor = subject THEN audit_log.address END",
        "detail": "CASE WHEN actor = subject THEN CAST(audit_log.detail AS json) END",
    },
    source="audit_log",
    whose="audit_log.subject = :user_id",
    order=("audit_log.at", "audit_log.id"),
)


class Act(StrEnum):
    """Deeds that are not an operator's decision, as the log calls them."""

    ACCOUNT_CREATED = "account.created"
    DATA_EXPORTED = "account.data_exported"
    ACCOUNT_CLOSED = "account.closed"
    ROLE_GRANTED = "account.role_granted"
    PASSWORD_CHANGED = "account.password_changed"  # noqa: S105 - the name of an event  # nosec B105
    PASSWORD_RESET = "account.password_reset"  # noqa: S105 - the name of an event  # nosec B105
    EMAIL_CONFIRMED = "account.email_confirmed"
    EMAIL_CHANGED = "account.email_changed"
    EMAIL_CHANGE_UNDONE = "account.email_change_undone"
    SECURED = "account.secured"
    NEW_DEVICE = "account.new_device"
    SESSION_ENDED = "session.ended"
    REFRESH_TOKEN_REUSED = "session.refresh_token_reused"  # noqa: S105 - the name of an event  # nosec B105
    OPERATOR_CODE_MADE = "operator_code.made"
    OPERATOR_CODE_REFUSED = "operator_code.refused"
    FACTOR_ADDED = "factor.added"
    FACTOR_REMOVED = "factor.removed"
    FACTOR_REFUSED = "factor.refused"
    RECOVERY_CODES_RENEWED = "recovery_codes.renewed"
    FACTORS_RESET_ASKED = "factors.reset_asked"
    FACTORS_RESET_CANCELED = "factors.reset_canceled"
    FACTORS_RESET = "factors.reset"
    CLAIM_MAILED = "account.claim_mailed"
    ACCOUNT_CLAIMED = "account.claimed"
    API_KEY_REFUSED = "api_key.refused"
    TREASURY_ADDRESSES = "treasury.addresses"


def this_machine() -> str:
    """Return where a command runs: the machine's user and name, such as `root@wallet-1`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        user = ""
    return f"{user}@{socket.gethostname()}"


def write(  # noqa: PLR0913 - the columns of the log
    db: AsyncSession,
    action: str,
    *,
    actor: str,
    subject: str,
    at: datetime,
    detail: Mapping[str, object],
    address: str = "",
    transfer_id: str | None = None,
) -> None:
    """Add a line to the log, in the transaction of the deed.

    Args:
        db: the transaction.
        action: what was done.
        actor: who did it: an account's id, `COMMAND` or `SYSTEM`.
        subject: to whom or what.
        at: when.
        detail: the rest, as JSON of at most 4,000 characters.
        address: from where: a network address, `this_machine()`, or empty where nobody asked for the deed.
        transfer_id: the transfer that the deed booked, posted before; None where it booked none.
    """
    db.add(
        AuditRow(
            at=at,
            actor=actor,
            action=action,
            subject=subject[:MAX_SUBJECT_LENGTH],
            address=address[:_MAX_ADDRESS_LENGTH],
            detail=json.dumps(detail, ensure_ascii=False),
            transfer_id=transfer_id,
        )
    )


async def write_own(  # noqa: PLR0913 - the columns of the log
    db: AsyncSession,
    act: Act,
    *,
    actor: str,
    user_id: str,
    at: datetime,
    detail: Mapping[str, object],
    address: str,
) -> None:
    """Add a line about something that people can do to their own account as often as they like.

    Lines stay for good, so at most `OWN_A_DAY` of an act are written; the rows of sessions show the others
    for as long as those are kept.
    """
    lines = select(func.count()).where(
        AuditRow.subject == user_id, AuditRow.action == act.value, col(AuditRow.at) > at - timedelta(days=1)
    )
    if (await db.exec(lines)).one() < OWN_A_DAY:
        write(db, act, actor=actor, subject=user_id, at=at, detail=detail, address=address)
