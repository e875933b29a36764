"""One-time codes: an operator makes one in their session, and one deed of that operator spends it.

Only a keyed hash is kept, so the database reveals no code. A code is good for ten minutes, for its operator,
and only while the session that it was made in lives. Five wrong guesses end it: they are counted in the
database, because each command is a process of its own.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.sessions import is_alive, require_recent_proof
from onramp_app.accounts.tables import AuthSession
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import Role
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import Forbidden
from onramp_app.domain.ids import new_id
from onramp_app.factors import factors
from onramp_app.factors.keys import secret_keys
from onramp_app.ledger import audit
from onramp_app.operators.errors import FactorRequired
from onramp_app.operators.tables import MAX_GUESSES, OperatorCode
from onramp_app.throttle import throttle

LIFE = timedelta(minutes=10)
# Crockford's base32, which has no letters that look like digits: 50 random bits in two groups.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH, _GROUP = 10, 5
_MAX_TYPED = 64
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewCode:
    """A new code in the form in which its operator sees it, once: `K7Q2M-9XF4D`."""

    code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SpentCode:
    """A code that was spent: its id in the audit log, and the session that it was made in."""

    id: str
    session_id: str


async def make(viewer: Viewer, *, address: str) -> NewCode:
    """Make a code for one deed of the viewer. It replaces an earlier one of the same session.

    Raises:
        Forbidden: the viewer is not an operator.
        FactorRequired: the viewer has no second factor, and operators need one.
        RecentSignInRequired: the person proved who they are more than 15 minutes ago.
        RateLimited: the viewer made too many codes.
        Unauthenticated: the session has ended.
    """
    if viewer.role == Role.USER.value:
        raise Forbidden("Only operators need a code.")
    await throttle.attempt(throttle.OPERATOR_CODE, viewer.user_id)
    digits = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    async with transaction() as db:
        now = clock.now()
        session = await require_recent_proof(db, viewer)
        if get_settings().require_operator_factor and not await factors.has_factor(db, viewer.user_id):
            raise FactorRequired("Operators act with a second factor only. Add one to your profile first.")
        row = {
            "id": new_id(),
            "user_id": viewer.user_id,
            "code_hash": _hash(secret_keys()[0], viewer.user_id, session.id, digits),
            "made_at": now,
            "expires_at": now + LIFE,
            "guesses_left": MAX_GUESSES,
        }
        statement = insert(OperatorCode).values(session_id=session.id, **row)
        await db.exec(statement.on_conflict_do_update(index_elements=["session_id"], set_=row))
        detail = {"code": row["id"], "session_id": session.id}
        audit.write(
            db,
            audit.Act.OPERATOR_CODE_MADE,
            actor=viewer.user_id,
            subject=viewer.user_id,
            at=now,
            detail=detail,
            address=address,
        )
    return NewCode(f"{digits[:_GROUP]}-{digits[_GROUP:]}", now + LIFE)


async def spend(db: AsyncSession, user_id: str, code: str) -> SpentCode | None:
    """Delete the code in the caller's transaction, or return None when the code is not good.

    Until the transaction ends, the code's session cannot end and no other transaction can spend the code.
    """
    found = await _matching(db, user_id, code)
    if found is None:
        return None
    await db.exec(delete(OperatorCode).where(col(OperatorCode.session_id) == found.session_id))
    return SpentCode(found.id, found.session_id)


async def refuse_wrong(user_id: str, code: str) -> None:
    """Refuse a wrong code, and count it against every open code of the person in a transaction of its own.

    Raises:
        Forbidden: the code is not good: wrong, spent, too old, or of a session that has ended.
    """
    async with transaction() as db:
        if await _matching(db, user_id, code) is not None:
            return
        for row in await _open(db, user_id):
            row.guesses_left -= 1
            audit.write(
                db,
                audit.Act.OPERATOR_CODE_REFUSED,
                actor=audit.COMMAND,
                subject=user_id,
                at=clock.now(),
                detail={"code": row.id, "guesses_left": row.guesses_left},
                address=audit.this_machine(),
            )
    _log.warning("an operator's code was refused", user_id=user_id)
    raise wrong_code()


def wrong_code() -> Forbidden:
    """Return the refusal of a code, which does not say what is wrong with the code."""
    return Forbidden(
        "This code is not good, or not any more. Make a new one on the profile page of the wallet."
    )


async def _open(db: AsyncSession, user_id: str) -> list[OperatorCode]:
    """Return the person's open codes, locked, with their sessions kept from ending."""
    now = clock.now()
    query = (
        select(OperatorCode, AuthSession)
        .join(AuthSession, col(AuthSession.id) == col(OperatorCode.session_id))
        .where(
            OperatorCode.user_id == user_id,
            OperatorCode.guesses_left > 0,
            OperatorCode.expires_at > now,
        )
        .order_by(col(OperatorCode.session_id))
        .with_for_update(of=OperatorCode)
    )
    rows = (await db.exec(query)).all()
    kept = select(AuthSession).where(col(AuthSession.id).in_([session.id for _, session in rows]))
    kept = kept.order_by(col(AuthSession.id)).with_for_update(read=True)
    sessions = (await db.exec(kept.execution_options(populate_existing=True))).all() if rows else []
    living = {session.id for session in sessions if is_alive(session, now)}
    return [code for code, _ in rows if code.session_id in living]


async def _matching(db: AsyncSession, user_id: str, code: str) -> OperatorCode | None:
    digits = code[:_MAX_TYPED].upper().translate(_MISREAD)
    found = None
    for row in await _open(db, user_id):
        for key in secret_keys():
            if hmac.compare_digest(_hash(key, user_id, row.session_id, digits), row.code_hash):
                found = row
    return found


def _hash(key: bytes, user_id: str, session_id: str, digits: str) -> bytes:
    # The first part keeps these hashes apart from everything else that is signed with this key.
    content = "\0".join(("operator code", user_id, session_id, digits))
    return hmac.digest(key, content.encode(errors="backslashreplace"), hashlib.sha256)
