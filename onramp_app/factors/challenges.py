"""Challenges that passkeys sign: random, signed by us, good for a few minutes, and answered once.

A visitor of the sign-in page gets one before anybody knows who it is, so nothing is stored for those that are
never answered: the challenge itself carries its end and our signature (WebAuthn level 3, section 13.4.3).
"""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.domain import clock
from onramp_app.factors.keys import secret_keys
from onramp_app.factors.tables import SpentChallenge

LIFE = timedelta(minutes=10)  # A page may stand open; the page asks for another challenge before that.
_RANDOM_BYTES, _END_BYTES, _CODE_BYTES = 16, 8, 32
_LENGTH = _RANDOM_BYTES + _END_BYTES + _CODE_BYTES


class Purpose(StrEnum):
    """What an answer is for; an answer to one is never taken for the other."""

    ADD = "add a passkey"
    PROVE = "prove who somebody is"


def new_challenge(purpose: Purpose, user_id: str = "") -> bytes:
    """Return a challenge. With `user_id` only an answer for that account counts."""
    end = int((clock.now() + LIFE).timestamp()).to_bytes(_END_BYTES)
    content = secrets.token_bytes(_RANDOM_BYTES) + end
    return content + _code(secret_keys()[0], content, purpose, user_id)


def is_ours(challenge: bytes, purpose: Purpose, user_id: str = "") -> bool:
    """Return whether we made the challenge for this purpose and account, and its time has not passed."""
    if len(challenge) != _LENGTH:
        return False
    content, code = challenge[:-_CODE_BYTES], challenge[-_CODE_BYTES:]
    is_signed = any(hmac.compare_digest(_code(key, content, purpose, user_id), code) for key in secret_keys())
    return is_signed and _end_of(challenge) > clock.now()


async def spend(db: AsyncSession, challenge: bytes) -> bool:
    """Keep the challenge as answered, in the caller's transaction. Returns False when it was before."""
    await db.exec(delete(SpentChallenge).where(col(SpentChallenge.expires_at) < clock.now()))
    row = {"challenge_hash": hashlib.sha256(challenge).digest(), "expires_at": _end_of(challenge)}
    statement = insert(SpentChallenge).values(**row).on_conflict_do_nothing()
    return (await db.exec(statement.returning(col(SpentChallenge.expires_at)))).first() is not None


def _end_of(challenge: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(challenge[_RANDOM_BYTES : _RANDOM_BYTES + _END_BYTES]), UTC)


def _code(key: bytes, content: bytes, purpose: Purpose, user_id: str) -> bytes:
    # The beginning keeps these apart from everything else that is signed with this key.
    named = "\0".join(("challenge of a passkey", purpose, user_id)).encode()
    return hmac.digest(key, named + b"\0" + content, hashlib.sha256)
