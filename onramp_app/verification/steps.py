"""Moves a person: the history gets its line, and the account its state, in one transaction or not at all."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.accounts.words import KycStatus, KycTier
from onramp_app.outgoing_webhooks import events
from onramp_app.outgoing_webhooks.events import Happening
from onramp_app.outgoing_webhooks.words import EventType
from onramp_app.verification.machine import Standing
from onramp_app.verification.tables import VerificationStep
from onramp_app.verification.words import Source


@dataclass(frozen=True, slots=True)
class Said:
    """Who says it, and how: the provider's word, or a person's id and, of an operator, the reason."""

    source: Source
    word: str | None = None
    actor: str | None = None
    reason: str | None = None


async def lock_person(db: AsyncSession, user_id: str) -> User:
    """Return the account, locked until the transaction ends: one thing is said about a person at a time.

    It is the lock of `top_ups.limits`, so a top-up is counted with the tier of before or of after.

    Raises:
        sqlalchemy.exc.NoResultFound: there is no such person.
    """
    query = select(User).where(User.id == user_id).with_for_update(key_share=True)
    return (await db.exec(query.execution_options(populate_existing=True))).one()


def standing_of(user: User) -> Standing:
    """Return where somebody stands."""
    return Standing(KycStatus(user.kyc_status), KycTier(user.kyc_tier))


def write_step(db: AsyncSession, user: User, after: Standing, *, said: Said, at: datetime) -> None:
    """Write the line and move the person, who is locked. Announce the change after the commit."""
    before = standing_of(user)
    db.add(
        VerificationStep(
            user_id=user.id,
            at=at,
            from_status=before.status.value,
            to_status=after.status.value,
            from_tier=before.tier.value,
            to_tier=after.tier.value,
            source=said.source.value,
            word=said.word,
            actor=said.actor,
            reason=said.reason,
        )
    )
    if after != before:
        _note_changed(db, user.id, after)
        user.kyc_status, user.kyc_tier, user.updated_at = after.status.value, after.tier.value, at


def _note_changed(db: AsyncSession, user_id: str, after: Standing) -> None:
    data = {"status": after.status.value, "tier": after.tier.value}
    happening = Happening(EventType.KYC_CHANGED, f"kyc:{user_id}", user_id, lambda _known: data)
    events.note(db, happening)


async def is_operators_word(db: AsyncSession, user_id: str) -> bool:
    """Return whether an operator decided last. That stands until an operator or the person moves on from it.

    What the provider says meanwhile is recorded and changes nothing.
    """
    by_people = select(VerificationStep.source).where(
        VerificationStep.user_id == user_id, VerificationStep.source != Source.PROVIDER.value
    )
    newest = (await db.exec(by_people.order_by(col(VerificationStep.id).desc()).limit(1))).first()
    return newest == Source.OPERATOR.value
