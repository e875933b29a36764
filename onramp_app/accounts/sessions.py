"""Sessions: opening, recognising, refreshing and ending them. The row decides, never the token alone."""

import contextlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import bindparam
from sqlmodel import col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import cookies, devices, tokens
from onramp_app.accounts.tables import AuthSession, RefreshToken, User
from onramp_app.accounts.tokens import Claims, TokenType
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import EndReason, SessionKind
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import DatabaseUnavailable, NotFound, RefreshTokenReused, Unauthenticated
from onramp_app.domain.ids import is_id
from onramp_app.ledger import audit
from onramp_app.throttle import throttle

BROWSER_LIFE = timedelta(hours=12)
BROWSER_IDLE = timedelta(minutes=30)
ACCESS_TOKEN_LIFE = timedelta(minutes=10)
PROGRAM_IDLE = timedelta(days=30)  # a program's session ends this long after its last refresh
ENDED_CHANNEL = "session_ended"  # carries the id of each session that is ended
REFRESH_REPEAT = timedelta(seconds=10)
MAX_KEPT = 300  # of an account, living and ended
_SEEN_EVERY = timedelta(minutes=1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Client:
    """What asks: its network address, what it calls itself, and the cookies it sent."""

    address: str
    user_agent: str = ""
    cookie_header: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A new session of a browser: the cookie to set, and the one by which the device is known later."""

    viewer: Viewer
    cookie_value: str = field(repr=False)
    max_age_seconds: int
    device_cookie_value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProgramSession:
    """A session of a program with its current pair of tokens."""

    viewer: Viewer
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_seconds: int


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
        created_at=user.created_at,
    )


# Opening: inside the transaction of the sign-in, so that neither happens without the other.


async def _open(db: AsyncSession, user: User, client: Client, *, kind: SessionKind) -> AuthSession:
    now = clock.now()
    life = BROWSER_LIFE if kind is SessionKind.BROWSER else PROGRAM_IDLE
    session = AuthSession(
        user_id=user.id,
        kind=kind.value,
        device="".join(c for c in client.user_agent if c.isprintable())[:200],
        address=client.address[:45],
        created_at=now,
        last_seen_at=now,
        expires_at=now + life,
    )
    db.add(session)
    await db.flush()
    await _keep_newest(db, user.id)
    _log.info("session opened", user_id=user.id, session_id=session.id, kind=kind.value)
    return session


async def _keep_newest(db: AsyncSession, user_id: str) -> None:
    # Whoever signs in again and again leaves a row each time.
    older = (
        select(AuthSession.id)
        .where(AuthSession.user_id == user_id)
        .order_by(col(AuthSession.id).desc())
        .offset(MAX_KEPT)
    )
    if old := (await db.exec(older)).all():
        await _end(db, EndReason.RENEWED, col(AuthSession.id).in_(old))
        await db.exec(delete(AuthSession).where(col(AuthSession.id).in_(old)))


async def open_browser(db: AsyncSession, user: User, client: Client) -> BrowserSession:
    """Open a browser's session and end the one that its cookie names (OWASP: renew at login)."""
    if replaced := _cookie_claims(client.cookie_header):
        await _end(
            db,
            EndReason.RENEWED,
            col(AuthSession.id) == replaced.session_id,
            col(AuthSession.user_id) == replaced.user_id,
        )
    session = await _open(db, user, client, kind=SessionKind.BROWSER)
    value = tokens.issue(
        TokenType.SESSION,
        Claims(user.id, session.id),
        issued_at=session.created_at,
        expires_at=session.expires_at,
    )
    device = devices.presented(client.cookie_header) or devices.new_device()
    return BrowserSession(
        viewer_of(user, session.id),
        value,
        int(BROWSER_LIFE.total_seconds()),
        device.with_account(user.id, user.password_hash, at=session.created_at),
    )


async def open_program(db: AsyncSession, user: User, client: Client) -> ProgramSession:
    """Open a program's session with its first pair of tokens."""
    session = await _open(db, user, client, kind=SessionKind.PROGRAM)
    refresh_token = tokens.new_refresh_token()
    db.add(_refresh_row(refresh_token, session.id, session.created_at))
    return _pair(user, session.id, refresh_token, issued_at=session.created_at)


def _refresh_row(token: str, session_id: str, created_at: datetime) -> RefreshToken:
    return RefreshToken(
        token_hash=tokens.refresh_token_hash(token), session_id=session_id, created_at=created_at
    )


def _pair(user: User, session_id: str, refresh_token: str, *, issued_at: datetime) -> ProgramSession:
    expires_at = issued_at + ACCESS_TOKEN_LIFE
    access_token = tokens.issue(
        TokenType.ACCESS,
        Claims(user.id, session_id),
        issued_at=issued_at,
        expires_at=expires_at,
        token_id=tokens.refresh_token_hash(refresh_token).hex()[:32],
    )
    left = int((expires_at - clock.now()).total_seconds())
    return ProgramSession(viewer_of(user, session_id), access_token, refresh_token, left)


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

    Good for counting only: its session may have ended.
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
    )
)


async def _resolve(claims: Claims, kind: SessionKind, *, by_person: bool) -> Viewer | None:
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
    """Return who the browser's cookie stands for, or None.

    Args:
        cookie_header: the `Cookie` header as it came.
        by_person: whether the person did something just now. Only that keeps the session from ending
            after 30 idle minutes; what a page does by itself does not (OWASP: session idle time-out).

    Raises:
        DatabaseUnavailable: the session could not be read.
    """
    claims = _cookie_claims(cookie_header)
    return await _resolve(claims, SessionKind.BROWSER, by_person=by_person) if claims else None


async def resolve_bearer(access_token: str) -> Viewer:
    """Return who the access token stands for.

    Raises:
        Unauthenticated: the token or its session is not valid, or no longer.
        DatabaseUnavailable: the session could not be read.
    """
    claims = tokens.verify(access_token, TokenType.ACCESS)
    if (viewer := await _resolve(claims, SessionKind.PROGRAM, by_person=True)) is None:
        raise Unauthenticated("Sign in to continue.")
    return viewer


# Refreshing.


async def refresh(refresh_token: str, *, address: str = "") -> ProgramSession:
    """Spend a refresh token and return the next pair.

    The same token sent again within 10 s, before its successor was used, gets the same pair: two tabs,
    or a lost answer. Later it is a theft of one of the two, and nobody can tell which: the session ends
    for both (RFC 9700 section 4.14.2). The row lock puts simultaneous ones in a line. `address` is from
    where it came, for the record of a theft.

    Raises:
        RefreshTokenReused: it was spent before; the whole session is revoked.
        RateLimited: its session is refreshed too often.
        Unauthenticated: it is unknown, or its session has ended.
    """
    token_hash = tokens.refresh_token_hash(refresh_token)
    async with transaction() as db:
        query = select(RefreshToken.session_id).where(RefreshToken.token_hash == token_hash)
        session_id = (await db.exec(query)).first()
    if session_id is None:
        raise Unauthenticated("The refresh token is not known.")
    await throttle.attempt(throttle.REFRESH, session_id)  # Redis is never asked inside a transaction.
    async with transaction() as db:
        spent = (
            await db.exec(select(RefreshToken).where(RefreshToken.token_hash == token_hash).with_for_update())
        ).first()
        if spent is None:
            raise Unauthenticated("The refresh token is not known.")
        now = clock.now()
        if not await _is_theft(db, spent, refresh_token, now):
            return await _advance(db, spent, refresh_token, now)
        await _revoke_family(db, spent.session_id, now, address=address)
    _log.warning("refresh token reused", session_id=spent.session_id)
    raise RefreshTokenReused("This refresh token was used before, so its session has ended. Sign in again.")


async def _is_theft(db: AsyncSession, token: RefreshToken, text: str, now: datetime) -> bool:
    if token.used_at is None or token.successor_salt is None:
        return False
    if now - token.used_at > REFRESH_REPEAT:
        return True
    successor = tokens.refresh_token_hash(tokens.successor_of(text, token.successor_salt))
    query = select(RefreshToken.used_at).where(RefreshToken.token_hash == successor)
    return (await db.exec(query)).one() is not None


async def _revoke_family(db: AsyncSession, session_id: str, now: datetime, *, address: str) -> None:
    if not await _end(db, EndReason.REFRESH_TOKEN_REUSED, col(AuthSession.id) == session_id):
        return  # It has ended before; the thief may send the token as often as they like.
    session = (await db.exec(select(AuthSession).where(AuthSession.id == session_id))).one()
    await audit.write_own(
        db,
        audit.Act.REFRESH_TOKEN_REUSED,
        actor=audit.SYSTEM,
        user_id=session.user_id,
        at=now,
        detail={"session_id": session_id, "device": session.device},
        address=address,
    )


async def _advance(db: AsyncSession, token: RefreshToken, text: str, now: datetime) -> ProgramSession:
    session, user = (
        await db.exec(
            select(AuthSession, User)
            .join(User, col(User.id) == col(AuthSession.user_id))
            .where(AuthSession.id == token.session_id)
        )
    ).one()
    if not is_alive(session, now):
        raise Unauthenticated("The session has ended. Sign in again.")
    if token.used_at is None or token.successor_salt is None:
        token.used_at, token.successor_salt = now, secrets.token_bytes(32)
        successor = tokens.successor_of(text, token.successor_salt)
        db.add(_refresh_row(successor, session.id, now))
        session.last_seen_at, session.expires_at = now, now + PROGRAM_IDLE
    else:
        successor = tokens.successor_of(text, token.successor_salt)
    return _pair(user, session.id, successor, issued_at=token.used_at)


# Ending.


async def _end(db: AsyncSession, reason: EndReason, *which: object) -> int:
    statement = (
        update(AuthSession)
        .where(*which, col(AuthSession.revoked_at).is_(None))  # type: ignore[arg-type]
        .values(revoked_at=clock.now(), end_reason=reason.value)
    )
    ended = (await db.exec(statement.returning(col(AuthSession.id)))).scalars().all()
    for session_id in ended:
        # Sent by the database at the commit and only then. The lock that this takes there is held
        # by no other transaction of ours, and sessions end rarely.
        await db.exec(select(func.pg_notify(ENDED_CHANNEL, session_id)))
    return len(ended)


async def end_other_sessions(db: AsyncSession, viewer: Viewer, reason: EndReason) -> int:
    """End all sessions of the account but the viewer's own, in the caller's transaction."""
    return await _end(
        db,
        reason,
        col(AuthSession.user_id) == viewer.user_id,
        col(AuthSession.id) != viewer.session_id,
    )


async def end_all_sessions(db: AsyncSession, user_id: str, reason: EndReason) -> int:
    """End all sessions of the account, in the caller's transaction."""
    return await _end(db, reason, col(AuthSession.user_id) == user_id)


async def end_session(
    user_id: str, session_id: str, *, reason: EndReason = EndReason.ENDED_BY_USER, address: str = ""
) -> None:
    """End one session of the account. One that is ended from the list of sessions is told to the audit log.

    `address` is from where it is ended, for that record.

    Raises:
        NotFound: the account has no such session, or it has ended before.
    """
    ended = 0
    if is_id(session_id):
        async with transaction() as db:
            ended = await _end(
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
            await _end(
                db,
                EndReason.SIGNED_OUT,
                col(AuthSession.user_id) == claims.user_id,
                col(AuthSession.id) == claims.session_id,
            )
