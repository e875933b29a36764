"""Sessions of programs: a pair of tokens, of which each refresh token is spent once."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import links, tokens
from onramp_app.accounts.sessions import Client, end_sessions, is_alive, open_session, resolve, viewer_of
from onramp_app.accounts.tables import AuthSession, RefreshToken, User
from onramp_app.accounts.tokens import Claims, TokenType
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import EndReason, SessionKind
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import RefreshTokenReused, Unauthenticated
from onramp_app.ledger import audit
from onramp_app.mail.words import MailKind
from onramp_app.throttle import throttle

ACCESS_TOKEN_LIFE = timedelta(minutes=10)
PROGRAM_IDLE = timedelta(days=30)  # A session ends this long after its last refresh.
REFRESH_REPEAT = timedelta(seconds=10)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProgramSession:
    """A session of a program with its current pair of tokens."""

    viewer: Viewer
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_seconds: int


async def open_program(db: AsyncSession, user: User, client: Client) -> ProgramSession:
    """Open a program's session with its first pair of tokens."""
    session = await open_session(db, user, client, kind=SessionKind.PROGRAM, life=PROGRAM_IDLE)
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


async def resolve_bearer(access_token: str) -> Viewer:
    """Return the viewer that the access token identifies.

    Raises:
        Unauthenticated: the token is not valid, or its session has ended.
        DatabaseUnavailable: the session could not be read.
    """
    claims = tokens.verify(access_token, TokenType.ACCESS)
    if (viewer := await resolve(claims, SessionKind.PROGRAM, by_person=True)) is None:
        raise Unauthenticated("Sign in to continue.")
    return viewer


async def refresh(refresh_token: str, *, address: str = "") -> ProgramSession:
    """Spend a refresh token and return the next pair.

    The same token sent again within 10 s, before its successor was used, gets the same pair: two tabs,
    or a lost answer. Later it is a theft of one of the two, and nobody can tell which: the session ends
    for both (RFC 9700 section 4.14.2). The row lock serialises simultaneous requests. `address` is where the
    request came from, for the record of a theft.

    Raises:
        RefreshTokenReused: the token was spent before; the whole session is revoked.
        RateLimited: the session is refreshed too often.
        Unauthenticated: the token is unknown, or its session has ended.
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
    if not await end_sessions(db, EndReason.REFRESH_TOKEN_REUSED, col(AuthSession.id) == session_id):
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
    user = (await db.exec(select(User).where(User.id == session.user_id))).one()
    await links.write_notice(db, user, MailKind.REFRESH_TOKEN_REUSED, client=Client(address))


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
