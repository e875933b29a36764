"""What is shown of a verification: to the person, and to operators. No customer id or link stands in it."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import fields
from onramp_app.accounts.tables import User
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import KycStatus, KycTier
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain.errors import NotFound
from onramp_app.verification.lines import get_line
from onramp_app.verification.machine import Standing, can_start
from onramp_app.verification.tables import VerificationCustomer, VerificationStep
from onramp_app.verification.white_label import may_change_phone
from onramp_app.verification.words import Line, NextStep, Source

MAX_LISTED = 100


@dataclass(frozen=True, slots=True)
class VerificationView:
    """Where a person stands and what they can do.

    `needs_phone`: the provider has to be given a number first. `may_change_phone`: another one may be given.
    `is_number_known`: the provider knew the number before, so that an operator looks at it. `refused_by`: who
    refused for good; None: nobody did.
    """

    status: KycStatus
    tier: KycTier
    line: Line
    next_step: NextStep
    needs_phone: bool
    may_change_phone: bool
    is_number_known: bool
    refused_by: Source | None


async def view_of(viewer: Viewer) -> VerificationView:
    """Return where somebody stands, by the account as it was read for this event."""
    standing = Standing(KycStatus(viewer.kyc_status), KycTier(viewer.kyc_tier))
    line = get_line().line
    customer, refused_by = None, None
    if line is Line.WHITE_LABEL or standing.status is KycStatus.REJECTED:
        async with transaction() as db:
            if line is Line.WHITE_LABEL:
                customer = await db.get(VerificationCustomer, viewer.user_id)
            if standing.status is KycStatus.REJECTED:
                refused_by = await _refused_by(db, viewer.user_id)
    is_bound = customer is not None and customer.is_proven
    is_known = customer is not None and customer.customer_id is not None and not customer.is_proven
    return VerificationView(
        status=standing.status,
        tier=standing.tier,
        line=line,
        next_step=next_step_of(standing, line),
        needs_phone=line is Line.WHITE_LABEL and not is_bound,
        may_change_phone=customer is not None and is_bound and may_change_phone(customer, standing),
        is_number_known=is_known and standing.status is KycStatus.IN_REVIEW,
        refused_by=refused_by,
    )


async def _refused_by(db: AsyncSession, user_id: str) -> Source | None:
    refusals = select(VerificationStep.source).where(
        VerificationStep.user_id == user_id, VerificationStep.to_status == KycStatus.REJECTED.value
    )
    # Later lines that changed nothing are the provider's word against what an operator decided.
    moves = refusals.where(col(VerificationStep.from_status) != KycStatus.REJECTED.value)
    newest = (await db.exec(moves.order_by(col(VerificationStep.id).desc()).limit(1))).first()
    return None if newest is None else Source(newest)


def next_step_of(standing: Standing, line: Line) -> NextStep:
    """Return what a person can do who stands there."""
    if standing.status is KycStatus.REJECTED:
        return NextStep.CONTACT_SUPPORT
    if standing.status is KycStatus.IN_REVIEW:
        return NextStep.WAIT
    if line is Line.WIDGET:
        return NextStep.CONTACT_SUPPORT if standing.status is KycStatus.RESUBMIT else NextStep.NOTHING
    if not can_start(standing):
        return NextStep.NOTHING
    return {
        KycStatus.NONE: NextStep.START,
        KycStatus.STARTED: NextStep.CONTINUE,
        KycStatus.APPROVED: NextStep.RAISE,
        KycStatus.RESUBMIT: NextStep.TRY_AGAIN,
    }[standing.status]


@dataclass(frozen=True, slots=True)
class NextStepView:
    """What a person does next, and the page where they do it."""

    action: NextStep
    url: str

    @classmethod
    def support(cls) -> "NextStepView":
        """Return the step of somebody whom only an operator can help further."""
        return cls(NextStep.CONTACT_SUPPORT, _page())


def next_step_view(standing: Standing) -> NextStepView | None:
    """Return what a person does next who stands there; None: nothing."""
    action = next_step_of(standing, get_line().line)
    return None if action is NextStep.NOTHING else NextStepView(action, _page())


def own_next_step(viewer: Viewer) -> NextStepView | None:
    """Return what somebody does next, by the account as it was read for this request; None: nothing."""
    return next_step_view(Standing(KycStatus(viewer.kyc_status), KycTier(viewer.kyc_tier)))


def _page() -> str:
    return f"{get_settings().ui_origin}/verify"


@dataclass(frozen=True, slots=True)
class StepLine:
    """One line of a history, for an operator. `actor` is an account's id."""

    at: datetime
    from_status: str
    from_tier: str
    to_status: str
    to_tier: str
    source: str
    word: str | None
    actor: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class PersonDetail:
    """Everything that is known about one person's verification, for an operator."""

    user_id: str
    email: str
    status: str
    tier: str
    customer_id: str | None
    is_proven: bool
    last_word: str | None
    read_at: datetime | None
    history: tuple[StepLine, ...]


@dataclass(frozen=True, slots=True)
class WaitingPerson:
    """One person whose number the provider knew before, so that an operator has to decide."""

    user_id: str
    email: str
    customer_id: str
    since: datetime


async def show_person(email: str) -> PersonDetail:
    """Return one person's verification with its newest 100 lines, newest first.

    Raises:
        ValidationFailed: this is not an email address.
        NotFound: there is no such account.
    """
    email = fields.clean({"email": email})["email"]
    async with transaction() as db:
        user = (await db.exec(select(User).where(User.email == email))).first()
        if user is None:
            raise NotFound("There is no account with this email.")
        customer = await db.get(VerificationCustomer, user.id)
        lines = select(VerificationStep).where(VerificationStep.user_id == user.id)
        rows = (await db.exec(lines.order_by(col(VerificationStep.id).desc()).limit(MAX_LISTED))).all()
    return PersonDetail(
        user_id=user.id,
        email=user.email,
        status=user.kyc_status,
        tier=user.kyc_tier,
        customer_id=customer.customer_id if customer else None,
        is_proven=customer is not None and customer.is_proven,
        last_word=customer.last_word if customer else None,
        read_at=customer.read_at if customer else None,
        history=tuple(
            StepLine(
                row.at,
                row.from_status,
                row.from_tier,
                row.to_status,
                row.to_tier,
                row.source,
                row.word,
                row.actor,
                row.reason,
            )
            for row in rows
        ),
    )


async def waiting_people() -> list[WaitingPerson]:
    """Return the first 100 people who wait for an operator, oldest first."""
    query = (
        select(VerificationCustomer, User)
        .join(User, col(User.id) == col(VerificationCustomer.user_id))
        .where(
            ~col(VerificationCustomer.is_proven),
            col(VerificationCustomer.customer_id).is_not(None),
            User.kyc_status == KycStatus.IN_REVIEW.value,
        )
        .order_by(col(VerificationCustomer.awake_at))
        .limit(MAX_LISTED)
    )
    async with transaction() as db:
        rows = (await db.exec(query)).all()
    return [
        WaitingPerson(user.id, user.email, customer.customer_id or "", customer.awake_at)
        for customer, user in rows
    ]
