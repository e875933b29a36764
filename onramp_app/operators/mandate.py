"""Lets an operator decide: proves who they are, asks for a second one if needed, and writes the audit log.

Every decision runs inside `deciding`, which rolls back unless the deed was authorised and recorded in the
audit log, so no decision can leave out either.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import fields
from onramp_app.accounts.tables import HAS_ROLE, User
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
from onramp_app.telemetry.trace import traced

MAX_REASON_LENGTH = 500
OPERATORS = frozenset({Role.OPERATOR, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Mandate:
    """An operator and a reason, as typed: `by` is an email address or account id, `code` the one-time code.

    `confirms` is the id of another operator's proposal of the same deed.
    """

    by: str
    reason: str
    code: str = field(repr=False)
    confirms: str | None = None


class Operator:
    """The operator who decides, in the transaction `db` of one deed."""

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
        """The operator as the cause of a transfer."""
        return Cause(StepSource.OPERATOR, actor=self.id, reason=self.reason)

    async def authorise(self, deed: Deed) -> None:
        """Check that the operator may do the deed. Call it once, before anything of the deed is written.

        Raises:
            Forbidden: the deed concerns the operator's own account.
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
        """Add a line about the deed to the audit log, after posting what it posts.

        Args:
            at: when.
            detail: what else to record beside the reason.
            subject: what the deed was done to, where that is not its own subject.
            transfer_id: the transfer that was posted, which cannot be committed without such a line.
        """
        if self._deed is None:
            raise RuntimeError("a deed is authorised before it is recorded")
        self._write(
            self._deed.action, subject or self._deed.subject, at=at, detail=detail, transfer_id=transfer_id
        )
        self._is_recorded = True

    async def propose(self, deed: Deed) -> SecondOperatorNeeded:
        """Record a proposal of the deed, and return the error that says so."""
        proposal = await four_eyes.propose(self.db, deed, by=self.id, reason=self.reason)
        detail = {"proposal": proposal.id, **deed.state}
        self._write(f"{deed.action}.proposed", deed.subject, at=proposal.proposed_at, detail=detail)
        return SecondOperatorNeeded(proposal.id, expires_at=proposal.expires_at)

    def expect_done(self) -> None:
        """Raise `RuntimeError` unless the deed was authorised and recorded."""
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
        whole: dict[str, object] = {"reason": self.reason, **detail}
        whole |= {"code": self._code.id, "session_id": self._code.session_id}
        if self._proposal is not None:
            whole |= {
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
            detail=whole,
            address=audit.this_machine(),
            transfer_id=transfer_id,
        )


class _Unconfirmed(Exception):
    """The deed is above `FOUR_EYES_ABOVE` and not confirmed yet."""

    def __init__(self, deed: Deed) -> None:
        super().__init__(deed.action)
        self.deed = deed


@asynccontextmanager
async def deciding(
    mandate: Mandate, *, roles: frozenset[Role] = OPERATORS, purpose: Purpose = REQUEST
) -> AsyncIterator[Operator]:
    """Open the one transaction of an operator's deed, spend the operator's code in it, yield the operator.

    The body calls `authorise` before it writes anything and `write_audit` before it ends. Where a second
    operator is needed, nothing is done and the deed becomes a proposal, which any operator may confirm.

    Args:
        mandate: the operator, the reason, the code, and the proposal that is confirmed.
        roles: which roles may do the deed alone or propose it.
        purpose: how long the statements may take.

    Raises:
        ValidationFailed: the reason is unusable, or `by` is neither an email address nor an id.
        NotFound: there is no such account.
        Forbidden: the account lacks the role, or the code is not good.
        SecondOperatorNeeded: the deed was recorded as a proposal, and the code is spent.
        DatabaseUnavailable: nothing is certain; look before trying again.
    """
    reason = clean_reason(mandate.reason)
    allowed = roles if mandate.confirms is None else OPERATORS
    # Read before the transaction: exchange rates need not be that new.
    book = await stored_book() if get_settings().four_eyes_above is not None else None
    async with transaction() as db:
        user_id = (await _acting(db, mandate.by, allowed)).id
    await codes.refuse_wrong(user_id, mandate.code)
    needed = None
    async with traced("decision"), transaction(purpose) as db:
        if roles == ADMINS:  # Two admins who demoted each other at once would leave none.
            await lock_roles(db)
        user = await _acting(db, mandate.by, allowed)
        code = await codes.spend(db, user.id, mandate.code)
        if code is None:
            raise codes.wrong_code()
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
    """Return the reason trimmed. Raises `ValidationFailed` unless it is one line of 1 to 500 characters."""
    reason = text.strip()
    if not 1 <= len(reason) <= MAX_REASON_LENGTH or not reason.isprintable():
        message = f"Use one line of 1 to {MAX_REASON_LENGTH} characters."
        raise ValidationFailed("Give a reason for the record.", errors=(FieldError("reason", message),))
    return reason


async def lock_roles(db: AsyncSession) -> None:
    """Keep other transactions from changing roles until this one ends."""
    await db.exec(select(func.pg_advisory_xact_lock(Lock.ROLES)))


async def is_another(db: AsyncSession, *roles: Role, than: str | None = None) -> bool:
    """Return whether another account than `than` has one of the roles."""
    query = select(User.id).where(col(User.role).in_([role.value for role in roles]), text(HAS_ROLE))
    if than is not None:
        query = query.where(User.id != than)
    return (await db.exec(query.limit(1))).first() is not None


async def _acting(db: AsyncSession, by: str, roles: frozenset[Role]) -> User:
    """Return the account of the operator, who keeps the role until the transaction ends.

    Taking the role away waits for the decision, so no decision comes after the loss of the role.
    """
    if is_id(by):
        query = select(User).where(User.id == by)
    else:
        query = select(User).where(User.email == fields.clean({"email": by})["email"])
    # Decisions and rows that refer to the account share this lock; only `grant_role` has to wait.
    user = (await db.exec(query.with_for_update(read=True, key_share=True))).first()
    if user is None:
        raise NotFound("There is no account of the operator who is to have done this.")
    if user.role not in roles:
        wanted = "an admin" if roles == ADMINS else "an operator"
        raise Forbidden(f"{user.email} is not {wanted}. `grant-role` makes them one.")
    return user
