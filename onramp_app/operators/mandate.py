"""Operators: who acts, how they prove it, and the line of the audit log that every deed of theirs leaves.

Everything that an operator decides runs inside `deciding`. It ends without a trace unless the deed was
authorised there and recorded in the audit log, so no decision can leave out either.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import fields
from onramp_app.accounts.tables import User
from onramp_app.accounts.words import Role
from onramp_app.config import get_settings
from onramp_app.db.engine import REQUEST, Purpose, transaction
from onramp_app.db.locks import Lock
from onramp_app.domain.environment import StepSource
from onramp_app.domain.errors import FieldError, Forbidden, NotFound, ValidationFailed
from onramp_app.domain.ids import is_id
from onramp_app.ledger import audit, sealing
from onramp_app.ledger.transfers import Cause
from onramp_app.operators import codes, four_eyes
from onramp_app.operators.codes import SpentCode
from onramp_app.operators.four_eyes import Deed, SecondOperatorNeeded
from onramp_app.operators.tables import Proposal
from onramp_app.pricing.rate_book import RateBook
from onramp_app.pricing.rates import stored_book

MAX_REASON_LENGTH = 500
OPERATORS = frozenset({Role.OPERATOR, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Mandate:
    """Who acts and why, as typed: `by` is the operator's e-mail or account id, `code` their one-time code.

    `confirms` is the id of another operator's proposal of the very same deed.
    """

    by: str
    reason: str
    code: str = field(repr=False)
    confirms: str | None = None


class Operator:
    """An operator with their reason, in the transaction `db` of one deed."""

    def __init__(  # noqa: PLR0913 - what one deed needs
        self,
        db: AsyncSession,
        user_id: str,
        reason: str,
        *,
        code: SpentCode,
        confirms: str | None,
        roles: frozenset[Role],
        book: RateBook | None,
    ) -> None:
        self.db = db
        self.id = user_id
        self.reason = reason
        self._code = code
        self._confirms = confirms
        self._roles = roles
        self._book = book
        self._deed: Deed | None = None
        self._proposal: Proposal | None = None
        self._is_recorded = False

    @property
    def cause(self) -> Cause:
        """Return the operator as what caused a transfer."""
        return Cause(StepSource.OPERATOR, actor=self.id, reason=self.reason)

    async def authorise(self, deed: Deed) -> None:
        """Ask whether the operator may do this, before anything of it is written.

        Raises:
            Forbidden: it concerns their own account.
            NotFound, Forbidden, ActionNotPossible: as `four_eyes.confirm`.
        """
        if self._deed is not None or self.db.new or self.db.dirty or self.db.deleted:
            raise RuntimeError("a deed is authorised once, and before anything of it is written")
        if self.id in deed.concerns:
            raise Forbidden("This is about your own account: another operator has to decide it.")
        self._deed = deed
        if self._confirms is not None:
            self._proposal = await four_eyes.confirm(
                self.db, self._confirms, deed, by=self.id, proposers=self._roles
            )
        elif four_eyes.needs_second(deed, self._book):
            raise _Unconfirmed(deed)

    def write_audit(
        self,
        *,
        at: datetime,
        detail: Mapping[str, object],
        subject: str | None = None,
        transfer_id: str | None = None,
    ) -> None:
        """Add the deed to the audit log, in its transaction, after what it posted.

        Args:
            at: when.
            detail: the rest, beside the reason.
            subject: to what, if it is another than the deed's.
            transfer_id: the transfer that was posted; it is not committed without its line.
        """
        if self._deed is None:
            raise RuntimeError("a deed is authorised before it is recorded")
        self._write(
            self._deed.action, subject or self._deed.subject, at=at, detail=detail, transfer_id=transfer_id
        )
        self._is_recorded = True

    async def propose(self, deed: Deed) -> SecondOperatorNeeded:
        """Record the deed as one that waits for another operator."""
        proposal = await four_eyes.propose(self.db, deed, by=self.id, reason=self.reason)
        detail = {"proposal": proposal.id, **deed.state}
        self._write(f"{deed.action}.proposed", deed.subject, at=proposal.proposed_at, detail=detail)
        return SecondOperatorNeeded(proposal.id, expires_at=proposal.expires_at)

    def expect_done(self) -> None:
        """Make sure that what was done here was authorised and recorded."""
        if not self._is_recorded:
            raise RuntimeError("a decision has to be authorised, and recorded in the audit log")

    def _write(
        self,
        action: str,
        subject: str,
        *,
        at: datetime,
        detail: Mapping[str, object],
        transfer_id: str | None = None,
    ) -> None:
        told: dict[str, object] = {"reason": self.reason, **detail}
        told |= {"code": self._code.id, "session_id": self._code.session_id}
        if self._proposal is not None:
            told |= {
                "proposal": self._proposal.id,
                "proposed_by": self._proposal.proposed_by,
                "proposed_because": self._proposal.reason,
            }
        audit.write(
            self.db,
            action,
            actor=self.id,
            subject=subject,
            at=at,
            detail=told,
            address=audit.this_machine(),
            transfer_id=transfer_id,
        )


class _Unconfirmed(Exception):
    """The deed is above `FOUR_EYES_ABOVE`, and nobody confirmed it yet."""

    def __init__(self, deed: Deed) -> None:
        super().__init__(deed.action)
        self.deed = deed


@asynccontextmanager
async def deciding(
    mandate: Mandate, *, roles: frozenset[Role] = OPERATORS, purpose: Purpose = REQUEST
) -> AsyncIterator[Operator]:
    """Give the operator who decides, in the one transaction of their deed, which spends their code.

    What is done inside calls `authorise` before it writes and `write_audit` before it ends. Where one
    operator is not enough, nothing of it is done and the deed is recorded as a proposal. A confirmation is
    any operator's to give.

    Args:
        mandate: who, why, their code, and which proposal they confirm.
        roles: which roles may do it alone or propose it.
        purpose: how long its statements may take.

    Raises:
        ValidationFailed: the reason cannot be used, or `by` is neither an e-mail address nor an id.
        NotFound: there is no such account.
        Forbidden: the account has not the role, or the code is not good.
        SecondOperatorNeeded: the deed was recorded as a proposal, and the code is spent.
        DatabaseUnavailable: nothing is certain; look before trying again.
    """
    reason = clean_reason(mandate.reason)
    allowed = roles if mandate.confirms is None else OPERATORS
    # Read before the transaction: what is worth how much does not have to be that new.
    book = await stored_book() if get_settings().four_eyes_above is not None else None
    async with transaction() as db:
        user_id = (await _acting(db, mandate.by, allowed)).id
    await codes.refuse_wrong(user_id, mandate.code)
    needed = None
    async with transaction(purpose) as db:
        if roles == ADMINS:  # Two who took the role from each other at once would leave nobody with it.
            await lock_roles(db)
        user = await _acting(db, mandate.by, allowed)
        code = await codes.spend(db, user.id, mandate.code)
        if code is None:
            raise codes.wrong()
        operator = Operator(db, user.id, reason, code=code, confirms=mandate.confirms, roles=roles, book=book)
        try:
            yield operator
            operator.expect_done()
        except _Unconfirmed as unconfirmed:
            needed = await operator.propose(unconfirmed.deed)
    await sealing.after_deed()
    if needed is not None:
        raise needed


def clean_reason(text: str) -> str:
    """Return the reason trimmed. Raises `ValidationFailed`."""
    reason = text.strip()
    if not 1 <= len(reason) <= MAX_REASON_LENGTH or not reason.isprintable():
        message = f"Use one line of 1 to {MAX_REASON_LENGTH} characters."
        raise ValidationFailed("Give a reason for the record.", errors=(FieldError("reason", message),))
    return reason


async def lock_roles(db: AsyncSession) -> None:
    """Keep everybody else from changing roles until the transaction ends."""
    await db.exec(select(func.pg_advisory_xact_lock(Lock.ROLES)))


async def is_another(db: AsyncSession, *roles: Role, than: str | None = None) -> bool:
    """Say whether an account with one of the roles exists, other than the one named."""
    query = select(User.id).where(col(User.role).in_([role.value for role in roles]))
    if than is not None:
        query = query.where(User.id != than)
    return (await db.exec(query.limit(1))).first() is not None


async def _acting(db: AsyncSession, by: str, roles: frozenset[Role]) -> User:
    """Return who acts. Until the transaction ends they keep their role.

    So whoever takes it away waits for the decision, and when that is done nothing comes after.
    """
    if is_id(by):
        query = select(User).where(User.id == by)
    else:
        query = select(User).where(User.email == fields.clean({"email": by})["email"])
    # Shared with each other and with what refers to the account; `grant_role` alone has to wait.
    user = (await db.exec(query.with_for_update(read=True, key_share=True))).first()
    if user is None:
        raise NotFound("There is no account of the operator who is to have done this.")
    if user.role not in roles:
        wanted = "an admin" if roles == ADMINS else "an operator"
        raise Forbidden(f"{user.email} is not {wanted}. `grant-role` makes them one.")
    return user
