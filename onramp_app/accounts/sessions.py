"""Sessions: opening, recognising, refreshing and ending them. The row decides, never the token alone."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import bindparam
from sqlmodel import col, delete, func, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import cookies, devices, tokens
from onramp_app.accounts.tables import AuthSession, User
from onramp_app.accounts.tokens import Claims, TokenType
from onramp_app.accounts.views import SessionView, Viewer
from onramp_app.accounts.words import EndReason, SessionKind
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import (
    DatabaseUnavailable,
    FieldError,
    NotFound,
    RecentSignInRequired,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.domain.ids import is_id
from onramp_app.fleet import channels
from onramp_app.ledger import audit

BROWSER_LIFE = timedelta(hours=12)
BROWSER_IDLE = timedelta(minutes=30)
RECENT_PROOF = timedelta(minutes=15)
MAX_KEPT = 300  # of an account, living and ended
_SEEN_EVERY = timedelta(minutes=1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Client:
    """The client of a request: its network address, User-Agent and cookies."""

    address: str
    user_agent: str = ""
    cookie_header: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A new session of a browser: the session cookie to set, and the device cookie."""

    viewer: Viewer
    cookie_value: str = field(repr=False)
    max_age_seconds: int
    device_cookie_value: str = field(repr=False)


def viewer_of(user: User, session_id: str) -> Viewer:
    """Return the frozen view of an account as one of its sessions sees it."""
    return Viewer(
        user_id=user.id,
        session_id=session_id,
        email=user.email,
        display_name=user.display_name,
        country=user.country,
        display_currency=user.display_currency,
        language=user.language,
        role=user.role,
        kyc_status=user.kyc_status,
        kyc_tier=user.kyc_tier,
        is_email_confirmed=user.email_confirmed_at is not None,
        created_at=user.created_at,
    )


# Opening: inside the transaction of the sign-in, so that neither happens without the other.


async def open_session(
    db: AsyncSession, user: User, client: Client, *, kind: SessionKind, life: timedelta
) -> AuthSession:
    """Store a new session of the account, and drop the oldest beyond 300 of it."""
    now = clock.now()
    session = AuthSession(
        user_id=user.id,
        kind=kind.value,
        device="".join(c for c in client.user_agent if c.isprintable())[:200],
        address=client.address[:45],
        created_at=now,
        last_seen_at=now,
        proved_at=now,
        expires_at=now + life,
    )
    db.add(session)
    await db.flush()
    await _keep_newest(db, user.id)
    _log.info("session opened", user_id=user.id, session_id=session.id, kind=kind.value)
    return session


async def _keep_newest(db: AsyncSession, user_id: str) -> None:
    # A program that signs in again and again leaves a row each time.
    older = (
        select(AuthSession.id)
        .where(AuthSession.user_id == user_id)
        .order_by(col(AuthSession.id).desc())
        .offset(MAX_KEPT)
    )
    if old := (await db.exec(older)).all():
        await end_sessions(db, EndReason.RENEWED, col(AuthSession.id).in_(old))
        await db.exec(delete(AuthSession).where(col(AuthSession.id).in_(old)))


async def is_known_place(db: AsyncSession, user_id: str, client: Client) -> bool:
    """Return whether the account was signed in from this address with this program before.

    For programs, which have no device cookie: of a script that signs in each day its owner hears once.
    """
    device = "".join(c for c in client.user_agent if c.isprintable())[:200]
    query = select(AuthSession.id).where(
        AuthSession.user_id == user_id,
        AuthSession.kind == SessionKind.PROGRAM.value,
        AuthSession.device == device,
        AuthSession.address == client.address[:45],
    )
    return (await db.exec(query.limit(1))).first() is not None


async def open_browser(db: AsyncSession, user: User, client: Client) -> BrowserSession:
    """Open a browser's session and end the one that its cookie names (OWASP: renew at login)."""
    if replaced := _cookie_claims(client.cookie_header):
        await end_sessions(
            db,
            EndReason.RENEWED,
            col(AuthSession.id) == replaced.session_id,
            col(AuthSession.user_id) == replaced.user_id,
        )
    session = await open_session(db, user, client, kind=SessionKind.BROWSER, life=BROWSER_LIFE)
    value = tokens.issue(
        TokenType.SESSION,
        Claims(user.id, session.id),
        issued_at=session.created_at,
        expires_at=session.expires_at,
    )
    device = devices.read_device(client.cookie_header) or devices.new_device()
    return BrowserSession(
        viewer_of(user, session.id),
        value,
        int(BROWSER_LIFE.total_seconds()),
        device.with_account(user.id, user.password_hash, at=session.created_at),
    )


# Recognising: one read of the session and its account on every call.


def _cookie_claims(cookie_header: str) -> Claims | None:
    value = cookies.read_cookie(cookie_header, cookies.session_cookie_name())
    if not value:
        return None
    try:
        return tokens.verify(value, TokenType.SESSION)
    except Unauthenticated:
        return None


def claimed_user(cookie_header: str) -> str | None:
    """Return the id of the account that the cookie's signed token names, or None, without the database.

    Good for counting only: the session may have ended.
    """
    claims = _cookie_claims(cookie_header)
    return claims.user_id if claims else None


def is_alive(session: AuthSession, now: datetime) -> bool:
    """Return whether the session still counts: not ended, and not too old or idle."""
    if session.revoked_at is not None or session.expires_at <= now:
        return False
    return session.kind != SessionKind.BROWSER or session.last_seen_at + BROWSER_IDLE > now


# Built once: it is asked at every event and request, and building it takes longer than running it.
_OF_CLAIMS = (
    select(AuthSession, User)
    .join(User, col(User.id) == col(AuthSession.user_id))
    .where(
        col(AuthSession.id) == bindparam("session_id"),
        col(AuthSession.user_id) == bindparam("user_id"),
        col(AuthSession.kind) == bindparam("kind"),
        col(User.closed_at).is_(None),
    )
)


async def resolve(claims: Claims, kind: SessionKind, *, by_person: bool) -> Viewer | None:
    """Return the viewer of the session that verified claims name, or None where it has ended.

    Args:
        by_person: as for `resolve_cookie_header`.

    Raises:
        DatabaseUnavailable: the session could not be read.
    """
    values = {"session_id": claims.session_id, "user_id": claims.user_id, "kind": kind.value}
    async with transaction() as db:
        row = (await db.exec(_OF_CLAIMS, params=values)).first()
        now = clock.now()
        if row is None or not is_alive(row[0], now):
            return None
        session, user = row
        viewer = viewer_of(user, session.id)
    if by_person and now - session.last_seen_at >= _SEEN_EVERY:
        # A database that takes no changes can still be read from.
        with contextlib.suppress(DatabaseUnavailable):
            await _note_seen(session.id, now)
    return viewer


async def _note_seen(session_id: str, now: datetime) -> None:
    async with transaction() as db:
        await db.exec(
            update(AuthSession)
            .where(
                col(AuthSession.id) == session_id,
                col(AuthSession.revoked_at).is_(None),
                col(AuthSession.last_seen_at) < now,
            )
            .values(last_seen_at=now)
        )


async def resolve_cookie_header(cookie_header: str, *, by_person: bool = False) -> Viewer | None:
    """Return the viewer that the browser's cookie identifies, or None.

    Args:
        cookie_header: the `Cookie` header as it came.
        by_person: whether the person did something just now. Only that keeps the session from ending
            after 30 idle minutes; what a page does unasked does not (OWASP: session idle time-out).

    Raises:
        DatabaseUnavailable: the session could not be read.
    """
    claims = _cookie_claims(cookie_header)
    return await resolve(claims, SessionKind.BROWSER, by_person=by_person) if claims else None


# Proving once more, before something that a stolen session must not do.


async def require_recent_proof(db: AsyncSession, viewer: Viewer) -> AuthSession:
    """Return the viewer's session, which cannot end before the transaction does.

    Raises:
        RecentSignInRequired: the person proved who they are more than `RECENT_PROOF` ago.
        Unauthenticated: the session has ended.
    """
    query = select(AuthSession).where(AuthSession.id == viewer.session_id).with_for_update(read=True)
    session, now = (await db.exec(query)).first(), clock.now()
    if session is None or not is_alive(session, now):
        raise Unauthenticated("The session has ended. Sign in again.")
    if session.proved_at <= now - RECENT_PROOF:
        raise RecentSignInRequired("Confirm who you are again, or sign in again.")
    return session


async def require_alive(db: AsyncSession, viewer: Viewer) -> None:
    """Refuse to go on for a session that has ended. Raises `Unauthenticated`."""
    session = (await db.exec(select(AuthSession).where(AuthSession.id == viewer.session_id))).first()
    if session is None or not is_alive(session, clock.now()):
        raise Unauthenticated("The session has ended. Sign in again.")


async def note_proof(db: AsyncSession, viewer: Viewer) -> None:
    """Keep that the person of this session has just proved who they are."""
    await db.exec(
        update(AuthSession).where(col(AuthSession.id) == viewer.session_id).values(proved_at=clock.now())
    )


# Ending.


async def end_sessions(db: AsyncSession, reason: EndReason, *which: object) -> int:
    """End the live sessions that meet the conditions. Returns how many were ended."""
    statement = (
        update(AuthSession)
        .where(*which, col(AuthSession.revoked_at).is_(None))  # type: ignore[arg-type]
        .values(revoked_at=clock.now(), end_reason=reason.value)
    )
    ended = (await db.exec(statement.returning(col(AuthSession.id)))).scalars().all()
    await announce_ends(db, ended)
    return len(ended)


async def announce_ends(db: AsyncSession, session_ids: Sequence[str]) -> None:
    """Have the tabs of sessions learn that those ended, once the caller's transaction is committed."""
    for session_id in session_ids:
        # Sent by the database at the commit and only then. The lock that this takes there is held
        # by no other transaction of the application, and sessions end rarely.
        await db.exec(select(func.pg_notify(channels.SESSION_ENDED, session_id)))


async def forget_sessions(db: AsyncSession, user_id: str) -> int:
    """End all sessions of the account and delete their rows with their tokens. Returns how many."""
    gone = await db.exec(
        delete(AuthSession).where(col(AuthSession.user_id) == user_id).returning(col(AuthSession.id))
    )
    session_ids = gone.scalars().all()
    await announce_ends(db, session_ids)
    return len(session_ids)


async def end_other_sessions(db: AsyncSession, viewer: Viewer, reason: EndReason) -> int:
    """End all sessions of the account but the viewer's own, in the caller's transaction."""
    return await end_sessions(
        db,
        reason,
        col(AuthSession.user_id) == viewer.user_id,
        col(AuthSession.id) != viewer.session_id,
    )


async def end_all_sessions(db: AsyncSession, user_id: str, reason: EndReason) -> int:
    """End all sessions of the account, in the caller's transaction."""
    return await end_sessions(db, reason, col(AuthSession.user_id) == user_id)


async def end_session(
    user_id: str, session_id: str, *, reason: EndReason = EndReason.ENDED_BY_USER, address: str = ""
) -> None:
    """End one session of the account. The audit log records a session ended from the list of sessions.

    `address` is where that request came from, for the record.

    Raises:
        NotFound: the account has no such session, or the session has ended already.
    """
    ended = 0
    if is_id(session_id):
        async with transaction() as db:
            ended = await end_sessions(
                db, reason, col(AuthSession.user_id) == user_id, col(AuthSession.id) == session_id
            )
            if ended and reason is EndReason.ENDED_BY_USER:
                await audit.write_own(
                    db,
                    audit.Act.SESSION_ENDED,
                    actor=user_id,
                    user_id=user_id,
                    at=clock.now(),
                    detail={"session_id": session_id},
                    address=address,
                )
    if not ended:
        raise NotFound("There is no such session.")
    _log.info("session ended", user_id=user_id, session_id=session_id, reason=reason.value)


async def end_cookie_session(cookie_header: str) -> None:
    """End the session that the browser's cookie names; nothing happens when there is none."""
    if claims := _cookie_claims(cookie_header):
        async with transaction() as db:
            await end_sessions(
                db,
                EndReason.SIGNED_OUT,
                col(AuthSession.user_id) == claims.user_id,
                col(AuthSession.id) == claims.session_id,
            )


# Listing.


async def list_sessions(
    viewer: Viewer, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[SessionView], str | None]:
    """Return the account's live sessions, newest first, and the cursor of the next page or None.

    Raises:
        ValidationFailed: the cursor was made by no earlier page.
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
