"""Narrow sessions: what a browser gets that opened an add-money link.

Such a session admits to one link and its top-up. It is a row of a table of its own, behind a cookie and a
type of token of its own: nothing that asks for a signed-in person reads any of the three. So it cannot become
or stand in for a full session, and a full session in the same browser is neither touched nor used.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import cookies, tokens
from onramp_app.accounts.sessions import announce_ends
from onramp_app.accounts.tokens import Claims, TokenType
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import Role
from onramp_app.db.engine import transaction
from onramp_app.db.moments import moment_of
from onramp_app.domain import clock
from onramp_app.domain.errors import Unauthenticated
from onramp_app.links.errors import LinkOver
from onramp_app.links.tables import AddMoneyLink, LinkSession
from onramp_app.links.tokens import hash_of, read_token
from onramp_app.links.views import LinkRows, Terms, of_row, read, rows, terms_of
from onramp_app.links.words import MAX_SESSIONS, SESSION_LIFE


@dataclass(frozen=True, slots=True)
class Payer(Viewer):
    """The person of a link as its narrow session knows them, without whatever says who they are.

    `email` and `display_name` are empty. `terms` is what the session may do.
    """

    terms: Terms


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A narrow session for a browser: the value of its cookie, and for how long the browser keeps it."""

    cookie_value: str = field(repr=False)
    max_age_seconds: int


async def open_session(token: object, cookie_header: str) -> OpenedSession | None:
    """Open a narrow session of a link; None where the browser has one of this link that works.

    Raises:
        LinkOver: the token is that of no link that works.
        DatabaseUnavailable: nothing was opened.
    """
    if (link_id := read_token(token)) is None:
        raise LinkOver("This link does not work.")
    if await resolve(cookie_header, link_id) is not None:
        return None
    async with transaction() as db:
        found = await read(db, link_id, lock=True)
        if found is None or found.is_over or found.link.token_hash != hash_of(str(token)):
            raise LinkOver("This link does not work any more.")
        now = await moment_of(db)
        ends = now + SESSION_LIFE
        if found.top_up is None:
            ends = min(ends, found.link.expires_at)
        session = LinkSession(link_id=link_id, created_at=now, expires_at=ends)
        db.add(session)
        await db.flush()
        await _keep_newest(db, link_id)
        value = tokens.issue(
            TokenType.LINK, Claims(found.person.id, session.id), issued_at=now, expires_at=now + SESSION_LIFE
        )
    return OpenedSession(value, int(SESSION_LIFE.total_seconds()))


async def resolve(cookie_header: str, link_id: str) -> Payer | None:
    """Return whom the browser's narrow session of this link pays for, or None where it has none that works.

    Raises:
        DatabaseUnavailable: the session could not be read.
    """
    if (claims := _claims(cookie_header)) is None:
        return None
    payer = (await living([claims.session_id])).get(claims.session_id)
    if payer is None or payer.terms.link_id != link_id or payer.user_id != claims.user_id:
        return None
    return payer


async def resolve_token(cookie_header: str, token: str) -> Payer | None:
    """Return the same for the token that stands in the address of a page. Raises `DatabaseUnavailable`."""
    link_id = read_token(token)
    return None if link_id is None else await resolve(cookie_header, link_id)


async def living(session_ids: Collection[str]) -> dict[str, Payer]:
    """Return the person of each of these narrow sessions that works, in one query.

    Raises:
        DatabaseUnavailable: nothing could be read.
    """
    query = (
        rows()
        .add_columns(LinkSession)
        .join(LinkSession, col(LinkSession.link_id) == col(AddMoneyLink.id))
        .where(col(LinkSession.id).in_(session_ids))
    )
    async with transaction() as db:
        found = (await db.exec(query)).all()  # type: ignore[call-overload]  # it takes any SELECT
    now = clock.now()
    return {
        row[-1].id: payer_of(link, row[-1].id)
        for row in found
        if is_alive(row[-1], now) and not (link := of_row(row)).is_over
    }


def claimed_person(cookie_header: str) -> str | None:
    """Return the id of the account that the cookie's signed token names, or None, without the database.

    Good for counting only: the session may have ended.
    """
    claims = _claims(cookie_header)
    return claims.user_id if claims else None


def is_alive(session: LinkSession, now: datetime) -> bool:
    """Return whether the session itself still counts; the link may have ended all the same."""
    return session.ended_at is None and session.expires_at > now


def payer_of(found: LinkRows, session_id: str) -> Payer:
    """Return the person of a link as one of its sessions may know them."""
    person = found.person
    return Payer(
        user_id=person.id,
        session_id=session_id,
        email="",
        display_name="",
        country=person.country,
        display_currency=person.display_currency,
        language=person.language,
        role=Role.USER.value,
        kyc_status=person.kyc_status,
        kyc_tier=person.kyc_tier,
        # The program vouches for its person.
        is_email_confirmed=True,
        created_at=person.created_at,
        terms=terms_of(found),
    )


async def keep_open(db: AsyncSession, link_id: str, *, at: datetime) -> None:
    """Let the sessions of a link go on once a top-up was begun: the time of the link ends them no more."""
    await db.exec(
        update(LinkSession)
        .where(col(LinkSession.link_id) == link_id, col(LinkSession.ended_at).is_(None))
        .values(expires_at=at + SESSION_LIFE)
    )


async def end_all(db: AsyncSession, link_ids: Collection[str]) -> None:
    """End the sessions of these links, in the caller's transaction; their tabs learn of it at once."""
    ended = await db.exec(
        update(LinkSession)
        .where(col(LinkSession.link_id).in_(link_ids), col(LinkSession.ended_at).is_(None))
        .values(ended_at=clock.now())
        .returning(col(LinkSession.id))
    )
    await announce_ends(db, ended.scalars().all())


async def _keep_newest(db: AsyncSession, link_id: str) -> None:
    older = (
        select(LinkSession.id)
        .where(LinkSession.link_id == link_id)
        .order_by(col(LinkSession.id).desc())
        .offset(MAX_SESSIONS)
    )
    if old := (await db.exec(older)).all():
        await db.exec(delete(LinkSession).where(col(LinkSession.id).in_(old)))
        await announce_ends(db, old)


def _claims(cookie_header: str) -> Claims | None:
    value = cookies.read_cookie(cookie_header, cookies.link_cookie_name())
    if not value:
        return None
    try:
        return tokens.verify(value, TokenType.LINK)
    except Unauthenticated:
        return None
