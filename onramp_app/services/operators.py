"""Operators: who acts and why, and the line of the audit log that every deed of theirs leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.tables import AuthSession, User
from onramp_app.domain import clock
from onramp_app.domain.accounts import Role
from onramp_app.domain.errors import FieldError, Forbidden, NotFound, ValidationFailed
from onramp_app.domain.ids import is_id
from onramp_app.domain.ledger import StepSource
from onramp_app.ledger.transfers import Cause
from onramp_app.services import audit, fields

MAX_REASON_LENGTH = 500
# Naming somebody is not being them: whoever decides has just proved it with their password.
RECENT_SIGN_IN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Mandate:
    """Who acts and why, as typed: `by` is the operator's e-mail or account id."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator with their reason for one deed."""

    id: str
    reason: str

    @property
    def cause(self) -> Cause:
        """Return the operator as what caused a transfer."""
        return Cause(StepSource.OPERATOR, actor=self.id, reason=self.reason)


def clean_reason(text: str) -> str:
    """Return the reason trimmed. Raises `ValidationFailed`."""
    reason = text.strip()
    if not 1 <= len(reason) <= MAX_REASON_LENGTH or not reason.isprintable():
        message = f"Use one line of 1 to {MAX_REASON_LENGTH} characters."
        raise ValidationFailed("Give a reason for the record.", errors=(FieldError("reason", message),))
    return reason


async def find_operator(session: AsyncSession, mandate: Mandate) -> Operator:
    """Return who acts. Until the transaction ends they keep their role, and the session that proves them.

    So whoever takes either away waits for the decision, and when that is done nothing comes after.

    Raises:
        ValidationFailed: the reason cannot be used, or `by` is neither an e-mail address nor an id.
        NotFound: there is no such account.
        Forbidden: the account is not an operator's, or its owner has not signed in lately
            (OWASP ASVS 5.0, section V7.5: authenticate anew before highly sensitive deeds).
    """
    reason = clean_reason(mandate.reason)
    if is_id(mandate.by):
        query = select(User).where(User.id == mandate.by)
    else:
        query = select(User).where(User.email == fields.clean({"email": mandate.by})["email"])
    # Shared with each other and with what refers to the account; `grant_role` alone has to wait.
    user = (await session.exec(query.with_for_update(read=True, key_share=True))).first()
    if user is None:
        raise NotFound("There is no account of the operator who is to have done this.")
    if user.role == Role.USER.value:
        raise Forbidden(f"{user.email} is not an operator. `grant-role` makes them one.")
    if not await _has_signed_in_lately(session, user.id):
        minutes = int(RECENT_SIGN_IN.total_seconds() / 60)
        raise Forbidden(
            f"{user.email} has not signed in within the last {minutes} minutes. Sign in to the wallet first."
        )
    return Operator(user.id, reason)


async def _has_signed_in_lately(session: AsyncSession, user_id: str) -> bool:
    query = (
        select(AuthSession.id)
        .where(
            AuthSession.user_id == user_id,
            col(AuthSession.revoked_at).is_(None),
            AuthSession.created_at > clock.now() - RECENT_SIGN_IN,
        )
        .limit(1)
        .with_for_update(read=True)
    )
    return (await session.exec(query)).first() is not None


def write_audit(  # noqa: PLR0913 - the columns of the log
    session: AsyncSession,
    operator: Operator,
    *,
    action: str,
    subject: str,
    at: datetime,
    detail: Mapping[str, str | None],
) -> None:
    """Add a deed to the audit log, in the transaction that does it. `detail` goes in with the reason."""
    told = {"reason": operator.reason, **detail}
    audit.write(
        session,
        action,
        actor=operator.id,
        subject=subject,
        at=at,
        detail=told,
        address=audit.this_machine(),
    )
