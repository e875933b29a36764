"""Where an account is signed in, as its owner sees it."""

from sqlmodel import col, or_, select

from onramp_app.accounts.sessions import BROWSER_IDLE
from onramp_app.accounts.tables import AuthSession
from onramp_app.accounts.views import SessionView, Viewer
from onramp_app.accounts.words import SessionKind
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import FieldError, ValidationFailed
from onramp_app.domain.ids import is_id


async def list_sessions(
    viewer: Viewer, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[SessionView], str | None]:
    """Return where the account is signed in, newest first, and the cursor of the next page or None.

    Raises:
        ValidationFailed: the cursor is not one of ours.
    """
    if cursor is not None and not is_id(cursor):
        raise ValidationFailed(
            "The cursor cannot be used.", errors=(FieldError("cursor", "Use the one of the page before."),)
        )
    now = clock.now()
    query = select(AuthSession).where(
        AuthSession.user_id == viewer.user_id,
        col(AuthSession.revoked_at).is_(None),
        AuthSession.expires_at > now,
        or_(
            AuthSession.kind == SessionKind.PROGRAM.value,
            AuthSession.last_seen_at > now - BROWSER_IDLE,
        ),
    )
    if cursor is not None:
        query = query.where(AuthSession.id < cursor)
    async with transaction() as db:
        rows = (await db.exec(query.order_by(col(AuthSession.id).desc()).limit(limit + 1))).all()
    views = [
        SessionView(
            session_id=row.id,
            kind=row.kind,
            device=row.device,
            address=row.address,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            is_current=row.id == viewer.session_id,
        )
        for row in rows[:limit]
    ]
    return views, views[-1].session_id if len(rows) > limit else None
