"""Idempotency keys: the first answer under a key answers every repeat of the request, for 24 hours.

A claim is a row without an answer. Its holder stores the answer in the transaction that acts, so that neither
exists without the other; a holder whose claim was taken over stores nothing and changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field, and_, col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.columns import Row, length, moment, octets, words
from onramp_app.db.engine import transaction
from onramp_app.db.personal import Part
from onramp_app.domain import clock
from onramp_app.domain.errors import ApplicationError

KEPT = timedelta(hours=24)
MAX_REFUSALS = 100
# Longer than any request takes: the process that made an older claim is gone.
CLAIM_LIFE = timedelta(minutes=2)

# What is held about a person here, for their file. The answers repeat what that says of the top-ups, and hold
# what opens an order with the provider.
KEYS = Part(
    name="idempotency_keys",
    shows={
        "key": "idempotency_keys.key",
        "status": "idempotency_keys.status",
        "created_at": "idempotency_keys.created_at",
    },
    source="idempotency_keys",
    whose="idempotency_keys.user_id = :user_id",
    order=("idempotency_keys.key",),
)


class IdempotencyKey(Row, table=True):
    """A key with the first answer to its request; without an answer while the request is worked on."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        CheckConstraint("key ~ '^[!-~]{1,64}$'", name="key"),
        octets("request_hash", 32, 32),
        CheckConstraint("status BETWEEN 200 AND 499 AND status <> 429", name="status"),
        CheckConstraint("(status IS NULL) = (body IS NULL)", name="answer_is_whole"),
        length("body", 0, 65536),
        Index(None, "created_at"),
    )

    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id"), primary_key=True))
    key: str = Field(sa_column=Column(Text, primary_key=True))
    request_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    status: int | None = Field(default=None, sa_column=Column(SmallInteger, nullable=True))
    body: str | None = Field(default=None, sa_column=words(nullable=True))
    created_at: datetime = Field(sa_column=moment())


class IdempotencyConflict(ApplicationError):
    """The key was used for another request."""

    status, code, title = 409, "idempotency_conflict", "This key was used for another request"


class IdempotencyInProgress(ApplicationError):
    """The request with this key is still being worked on; send it again shortly."""

    status, code, title = 409, "idempotency_in_progress", "This request is still being worked on"


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The first answer under a key: its HTTP status and body."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to act under a key, until another request takes the claim over."""

    user_id: str
    key: str
    claimed_at: datetime


async def claim(user_id: str, key: str, *, request_hash: bytes) -> Claim | KeptAnswer:
    """Claim a key, or return the answer that is kept under the key.

    Args:
        user_id: whose key: others may use the same.
        key: 1 to 64 visible ASCII characters.
        request_hash: 32 bytes that identify the request.

    Raises:
        IdempotencyConflict: the key was used for another request.
        IdempotencyInProgress: the same request is being worked on.
    """
    now = clock.now()
    async with transaction() as db:
        await db.exec(
            delete(IdempotencyKey).where(
                col(IdempotencyKey.user_id) == user_id, col(IdempotencyKey.created_at) <= now - KEPT
            )
        )
        row = {"user_id": user_id, "key": key, "request_hash": request_hash, "created_at": now}
        made = insert(IdempotencyKey).values(row).on_conflict_do_nothing().returning(col(IdempotencyKey.key))
        if (await db.exec(made)).first() is not None:
            return Claim(user_id, key, now)
        query = select(IdempotencyKey).where(IdempotencyKey.user_id == user_id, IdempotencyKey.key == key)
        found = (await db.exec(query.with_for_update())).first()
        if found is None:  # The claim was given up a moment ago.
            raise IdempotencyInProgress("The request with this key has just ended. Send it again.")
        if found.request_hash != request_hash:
            raise IdempotencyConflict("This key came before with another request.")
        if found.status is not None and found.body is not None:
            return KeptAnswer(found.status, found.body)
        if found.created_at > now - CLAIM_LIFE:
            raise IdempotencyInProgress("The first request with this key is not answered yet.")
        found.created_at = now
        return Claim(user_id, key, now)


def _is_held(held: Claim) -> ColumnElement[bool]:
    return and_(
        col(IdempotencyKey.user_id) == held.user_id,
        col(IdempotencyKey.key) == held.key,
        col(IdempotencyKey.created_at) == held.claimed_at,
        col(IdempotencyKey.status).is_(None),
    )


async def keep(db: AsyncSession, held: Claim, answer: KeptAnswer) -> None:
    """Store the answer in the transaction that acted.

    Raises:
        IdempotencyInProgress: another request took the claim over; the transaction must not commit.
    """
    statement = update(IdempotencyKey).where(_is_held(held))
    kept = await db.exec(statement.values(status=answer.status, body=answer.body))
    if kept.rowcount != 1:
        raise IdempotencyInProgress("Another request with this key took over.")


async def keep_refusal(held: Claim, answer: KeptAnswer) -> None:
    """Store the answer of a request that changed nothing. Raises `IdempotencyInProgress` as `keep` does.

    Refusals cost their sender nothing, so only the newest `MAX_REFUSALS` of a person are kept.
    """
    refusals = (
        select(IdempotencyKey.key)
        .where(IdempotencyKey.user_id == held.user_id, col(IdempotencyKey.status) >= 400)
        .order_by(col(IdempotencyKey.created_at).desc())
    )
    async with transaction() as db:
        await keep(db, held, answer)
        await db.exec(
            delete(IdempotencyKey).where(
                col(IdempotencyKey.user_id) == held.user_id,
                col(IdempotencyKey.key).in_(refusals.offset(MAX_REFUSALS)),
            )
        )


async def forget(db: AsyncSession, user_id: str) -> None:
    """Delete all keys of a person with their answers."""
    await db.exec(delete(IdempotencyKey).where(col(IdempotencyKey.user_id) == user_id))


async def give_up(held: Claim) -> None:
    """Forget the claim, so that the request may be tried again."""
    async with transaction() as db:
        await db.exec(delete(IdempotencyKey).where(_is_held(held)))
