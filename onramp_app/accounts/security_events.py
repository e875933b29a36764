"""The security events that a person sees of their account: sign-ins, ended sessions, password and role.

Events of sessions are read from the rows of sessions, which are kept for `RETENTION_DAYS` after their end.
All other events stand in the audit log for good.
"""

from sqlalchemy import text

from onramp_app.accounts.views import SecurityEventView, Viewer
from onramp_app.accounts.words import EndReason, SecurityEventKind
from onramp_app.db.engine import execute, transaction
from onramp_app.domain.errors import FieldError, ValidationFailed
from onramp_app.domain.paging import Position, read_cursor, write_cursor
from onramp_app.ledger.audit import Act

_ENDS: dict[str, SecurityEventKind] = {
    EndReason.SIGNED_OUT.value: SecurityEventKind.SIGNED_OUT,
    EndReason.ENDED_BY_USER.value: SecurityEventKind.SESSION_ENDED,
    EndReason.REFRESH_TOKEN_REUSED.value: SecurityEventKind.REFRESH_TOKEN_REUSED,
}
_DEEDS: dict[str, SecurityEventKind] = {
    Act.PASSWORD_CHANGED.value: SecurityEventKind.PASSWORD_CHANGED,
    Act.PASSWORD_RESET.value: SecurityEventKind.PASSWORD_RESET,
    Act.EMAIL_CONFIRMED.value: SecurityEventKind.EMAIL_CONFIRMED,
    Act.EMAIL_CHANGED.value: SecurityEventKind.EMAIL_CHANGED,
    Act.EMAIL_CHANGE_UNDONE.value: SecurityEventKind.EMAIL_CHANGE_UNDONE,
    Act.SECURED.value: SecurityEventKind.ACCOUNT_SECURED,
    Act.ROLE_GRANTED.value: SecurityEventKind.ROLE_CHANGED,
    Act.OPERATOR_CODE_MADE.value: SecurityEventKind.OPERATOR_CODE_MADE,
    Act.OPERATOR_CODE_REFUSED.value: SecurityEventKind.OPERATOR_CODE_REFUSED,
    Act.FACTOR_ADDED.value: SecurityEventKind.FACTOR_ADDED,
    Act.FACTOR_REMOVED.value: SecurityEventKind.FACTOR_REMOVED,
    Act.FACTOR_REFUSED.value: SecurityEventKind.FACTOR_REFUSED,
    Act.RECOVERY_CODES_RENEWED.value: SecurityEventKind.RECOVERY_CODES_RENEWED,
    Act.FACTORS_RESET_ASKED.value: SecurityEventKind.FACTORS_RESET_ASKED,
    Act.FACTORS_RESET_CANCELED.value: SecurityEventKind.FACTORS_RESET_CANCELED,
    Act.FACTORS_RESET.value: SecurityEventKind.FACTORS_RESET,
    Act.DATA_EXPORTED.value: SecurityEventKind.DATA_EXPORTED,
    Act.ACCOUNT_CLAIMED.value: SecurityEventKind.ACCOUNT_CLAIMED,
}
KINDS: dict[str, SecurityEventKind] = {
    "": SecurityEventKind.SIGNED_IN,
    Act.NEW_DEVICE.value: SecurityEventKind.NEW_DEVICE,
    **_ENDS,
    **_DEEDS,
}
# Each part reads the newest of its kind from an index of the account. A sign-in from a new device is
# one line; sessions that a new password or role ended are covered by the line of that. Where a deed came from
# is shown only when the owner did it: an operator's machine is none of theirs.
_EVENTS = text("""
WITH opened AS (
    SELECT id, device, address, created_at FROM auth_sessions
     WHERE user_id = :user_id AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, :id))
     ORDER BY created_at DESC, id DESC LIMIT :most
), ended AS (
    SELECT id, device, address, revoked_at, end_reason FROM auth_sessions
     WHERE user_id = :user_id AND end_reason = ANY(CAST(:ends AS text[])) AND revoked_at IS NOT NULL
       AND (CAST(:at AS timestamptz) IS NULL OR (revoked_at, id) < (:at, :id))
     ORDER BY revoked_at DESC, id DESC LIMIT :most
), deeds AS (
    SELECT id, action, at, CASE WHEN actor = subject THEN address ELSE '' END AS address,
           detail::json ->> 'session_id' AS session_id, detail::json ->> 'device' AS device FROM audit_log
     WHERE subject = :user_id AND action = ANY(CAST(:deeds AS text[]))
       AND (CAST(:at AS timestamptz) IS NULL OR (at, id) < (:at, :id))
     ORDER BY at DESC, id DESC LIMIT :most
)
SELECT id, created_at AS at, device, address,
       CASE WHEN EXISTS (SELECT FROM audit_log a WHERE a.subject = :user_id AND a.action = :new_device
                                                   AND a.detail::json ->> 'session_id' = opened.id)
            THEN :new_device ELSE '' END AS what
  FROM opened
UNION ALL SELECT id, revoked_at, device, address, end_reason FROM ended
UNION ALL SELECT d.id, d.at, coalesce(s.device, d.device, ''), coalesce(nullif(d.address, ''), s.address, ''),
                 d.action
            FROM deeds d LEFT JOIN auth_sessions s ON s.id = d.session_id AND s.user_id = :user_id
 ORDER BY at DESC, id DESC LIMIT :most
""")


async def list_events(
    viewer: Viewer, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[SecurityEventView], str | None]:
    """Return events of the viewer's account, newest first, and the cursor of the next page or None.

    Raises:
        ValidationFailed: the cursor was made by no earlier page.
        DatabaseUnavailable: the events could not be read.
    """
    after = _position(cursor) if cursor is not None else None
    values: dict[str, object] = {
        "user_id": viewer.user_id,
        "most": limit + 1,
        "ends": list(_ENDS),
        "deeds": list(_DEEDS),
        "new_device": Act.NEW_DEVICE.value,
        "at": after.created_at if after else None,
        "id": after.id if after else None,
    }
    async with transaction() as db:
        rows = (await execute(db, _EVENTS, values)).all()
    shown = rows[:limit]
    events = [
        SecurityEventView(KINDS[row.what].value, at=row.at, device=row.device, address=row.address)
        for row in shown
    ]
    has_more = len(rows) > limit
    return events, write_cursor(Position(shown[-1].at, shown[-1].id)) if has_more else None


def _position(cursor: str) -> Position:
    try:
        return read_cursor(cursor)
    except ValueError as error:
        raise ValidationFailed(
            "The cursor cannot be used.", errors=(FieldError("cursor", "Use the one of the page before."),)
        ) from error
