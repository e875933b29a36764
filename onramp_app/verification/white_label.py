"""The white-label line: takes a person to the provider's page, and binds them to the provider's customer.

The provider knows people by their phone number, and answers a known number with the customer that it belongs
to. So a person who types somebody else's number must not become that somebody. What proves a customer to be
theirs is our own unguessable id in the provider's record of it, which only a call for this person can have
put there. Without that proof they get no link, nothing that the provider says about the customer counts, and
an operator decides (docs/decisions/0018).
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import KycStatus
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import FieldError, Unauthenticated, ValidationFailed
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.providers.connection import get_kyc_provider
from onramp_app.providers.errors import ProviderRequestRefused
from onramp_app.providers.port import KycLink
from onramp_app.throttle import throttle
from onramp_app.verification.errors import PhoneTaken, VerificationNotStartable, VerificationRefused
from onramp_app.verification.machine import Standing, can_start, on_start
from onramp_app.verification.phone import provider_phone
from onramp_app.verification.steps import Said, is_operators_word, lock_person, standing_of, write_step
from onramp_app.verification.tables import VerificationCustomer
from onramp_app.verification.words import Source

# The provider's word for somebody who has not signed in there: until then the number may be a mistyped one.
BEFORE_SIGN_IN = "LOGIN_REQUIRED"
_TAKEN = "This phone number cannot be used for this account. Use your own, or write to support."

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """Whom the provider knows the person as so far. `may_change`: another phone number may be given."""

    client_customer_id: str
    customer_id: str | None
    may_change: bool


async def start(viewer: Viewer, phone: str | None) -> str:
    """Take up a verification, as `lines.VerificationLine.start`."""
    await throttle.attempt(throttle.VERIFY, viewer.user_id)
    known = await _prepare(viewer.user_id)
    if known.customer_id is not None and not (phone and known.may_change):
        link = await get_kyc_provider().kyc_link_again(known.customer_id)
        is_proven = True
    else:
        link, is_proven = await _new_customer(viewer, known, phone)
    await _bind(viewer.user_id, link.customer_id, is_proven=is_proven)
    announce_changes([viewer.user_id])
    if not is_proven:
        raise VerificationNotStartable(
            "The payment provider knows this phone number already. We are checking that it is yours."
        )
    return link.url


def may_change_phone(customer: VerificationCustomer, standing: Standing) -> bool:
    """Return whether another number may be given: nobody has signed in with this one yet."""
    is_early = standing.status in (KycStatus.NONE, KycStatus.STARTED)
    return is_early and customer.last_word in (None, BEFORE_SIGN_IN)


async def _prepare(user_id: str) -> _Known:
    """Return whom the provider knows the person as. Our id of them is committed before it is asked."""
    at = clock.now()
    async with transaction() as db:
        user = await lock_person(db, user_id)
        _refuse_closed(user)
        standing = standing_of(user)
        _refuse_unstartable(standing)
        customer = await db.get(VerificationCustomer, user_id)
        if customer is None:
            customer = VerificationCustomer(
                user_id=user_id,
                environment=current_environment().value,
                client_customer_id=secrets.token_hex(16),
                made_at=at,
                awake_at=at,
            )
            db.add(customer)
        return _Known(
            customer.client_customer_id,
            customer.customer_id if customer.is_proven else None,
            may_change_phone(customer, standing),
        )


def _refuse_closed(user: User) -> None:
    if user.closed_at is not None:
        raise Unauthenticated("The account is closed.")


def _refuse_unstartable(standing: Standing) -> None:
    if standing.status is KycStatus.REJECTED:
        raise VerificationRefused("Your verification was refused. Write to support if this is wrong.")
    if not can_start(standing):
        raise VerificationNotStartable(
            "Your details are being checked."
            if standing.status is KycStatus.IN_REVIEW
            else "You are fully verified."
        )


async def _new_customer(viewer: Viewer, known: _Known, phone: str | None) -> tuple[KycLink, bool]:
    """Have the provider make a customer of the number. Returns the link, and whether it is proven theirs."""
    if not phone:
        message = "Give your phone number with its country code."
        raise ValidationFailed("A phone number is needed.", errors=(FieldError("phone", message),))
    number = provider_phone(phone)
    await throttle.attempt(throttle.VERIFY_PHONE, viewer.user_id)
    provider = get_kyc_provider()
    try:
        link = await provider.kyc_link(
            email=viewer.email, phone_number=number, client_customer_id=known.client_customer_id
        )
    except ProviderRequestRefused as error:
        if error.customer_id is None:
            message = "The payment provider does not take this number."
            raise ValidationFailed(
                "The phone number was refused.", errors=(FieldError("phone", message),)
            ) from None
        await _refuse_taken(viewer.user_id, error.customer_id)
        link = await provider.kyc_link_again(error.customer_id)
    return link, link.client_customer_id == known.client_customer_id


async def _refuse_taken(user_id: str, customer_id: str) -> None:
    async with transaction() as db:
        if await _is_anothers(db, user_id, customer_id):
            _log.warning("verification refused: the phone is another account's", user_id=user_id)
            raise PhoneTaken(_TAKEN)


async def _is_anothers(db: AsyncSession, user_id: str, customer_id: str) -> bool:
    query = select(VerificationCustomer.user_id).where(
        VerificationCustomer.environment == current_environment().value,
        VerificationCustomer.customer_id == customer_id,
        col(VerificationCustomer.is_proven),
        VerificationCustomer.user_id != user_id,
    )
    return (await db.exec(query.limit(1))).first() is not None


async def _bind(user_id: str, customer_id: str, *, is_proven: bool) -> None:
    at = clock.now()
    try:
        async with transaction() as db:
            user = await lock_person(db, user_id)
            _refuse_closed(user)
            _refuse_unstartable(standing_of(user))
            if await _is_anothers(db, user_id, customer_id):
                raise PhoneTaken(_TAKEN)
            customer = await db.get_one(VerificationCustomer, user_id)
            if customer.customer_id != customer_id:
                customer.last_word, customer.read_at = None, None
            customer.customer_id, customer.is_proven = customer_id, is_proven
            customer.awake_at, customer.read_failures = at, 0
            customer.due_at = at if is_proven else None
            await _note_start(db, user, is_proven=is_proven, at=at)
    except IntegrityError as error:  # Somebody else proved the same customer in this moment.
        raise PhoneTaken(_TAKEN) from error


async def _note_start(db: AsyncSession, user: User, *, is_proven: bool, at: datetime) -> None:
    before = standing_of(user)
    after = on_start(before) if is_proven else Standing(KycStatus.IN_REVIEW, before.tier)
    # Somebody who goes on from what an operator decided has the provider's words count again.
    if after != before or await is_operators_word(db, user.id):
        write_step(db, user, after, said=Said(Source.USER, actor=user.id), at=at)
    if not is_proven:
        _log.warning("verification waits for an operator: a customer known before", user_id=user.id)
