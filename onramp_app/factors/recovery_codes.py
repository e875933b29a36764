"""Recovery codes: ten random texts, shown once, each good once.

A code has 80 random bits, so that a plain hash cannot be searched, not even with the whole table; a change of
`SECRET_KEY` leaves the codes good.
"""

import hashlib
import secrets

from sqlmodel import col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.domain import clock
from onramp_app.factors.tables import RecoveryCode

HOW_MANY = 10
# Crockford's base32, which has no letters that look like digits.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH, _GROUP = 16, 4
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})


async def renew(db: AsyncSession, user_id: str) -> tuple[str, ...]:
    """Replace all codes of the account, and return the new ones as their owner sees them, once."""
    await forget(db, user_id)
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(LENGTH)) for _ in range(HOW_MANY)]
    now = clock.now()
    db.add_all([RecoveryCode(user_id=user_id, code_hash=_hash(user_id, code), made_at=now) for code in codes])
    await db.flush()
    return tuple("-".join(code[at : at + _GROUP] for at in range(0, LENGTH, _GROUP)) for code in codes)


async def check(db: AsyncSession, user_id: str, code: str) -> bool:
    """Return whether this is a code of the person that was not used yet, and spend it."""
    digits = code.upper().translate(_MISREAD)
    if len(digits) != LENGTH:
        return False
    spent = await db.exec(
        update(RecoveryCode)
        .where(
            col(RecoveryCode.user_id) == user_id,
            col(RecoveryCode.code_hash) == _hash(user_id, digits),
            col(RecoveryCode.used_at).is_(None),
        )
        .values(used_at=clock.now())
    )
    return bool(spent.rowcount)


async def left(db: AsyncSession, user_id: str) -> int:
    """Return how many codes can still be used."""
    query = select(func.count()).where(RecoveryCode.user_id == user_id, col(RecoveryCode.used_at).is_(None))
    return (await db.exec(query)).one()


async def forget(db: AsyncSession, user_id: str) -> None:
    """Delete all codes of the account."""
    await db.exec(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user_id))


def _hash(user_id: str, digits: str) -> bytes:
    content = "\0".join(("recovery code", user_id, digits))
    return hashlib.sha256(content.encode(errors="backslashreplace")).digest()
