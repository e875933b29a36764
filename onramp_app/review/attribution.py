"""Credits money in suspense to the person it belongs to, as a new settled top-up.

The person is named by the id of their account, because an email address may change or be unconfirmed.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.cases.cases import Concern, close_cases
from onramp_app.cases.words import CaseKind
from onramp_app.db.engine import transaction
from onramp_app.domain.clock import now
from onramp_app.domain.environment import StepSource
from onramp_app.domain.ids import new_id
from onramp_app.domain.money import amount_text, from_minor
from onramp_app.domain.payments import PaymentKind
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.ledger import instructions
from onramp_app.ledger.deliveries import BookedDelivery, booked_for_order
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, Operator, deciding
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import StatusClass
from onramp_app.review import named
from onramp_app.review.decisions import post_once, refuse_unfit
from onramp_app.top_ups.limits import count_in_base, kept_rates
from onramp_app.top_ups.moves import Evidence, record
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import CREATED, Act, on_order

# The provider names the kind of payment, not the method. The words are those of the public contract.
_METHODS = {
    PaymentKind.INSTANT.value: "instant",
    PaymentKind.BANK_TRANSFER.value: "bank_transfer",
    PaymentKind.E_WALLET.value: "e_wallet",
}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recipient:
    """The person to be credited, as shown to the operator."""

    id: str
    email: str
    display_name: str
    created_at: datetime
    role: str
    kyc_status: str


@dataclass(frozen=True, slots=True)
class Attribution:
    """The money of an order and the person who receives it; `amount` is in whole units of `asset`.

    `top_up_id` is the new top-up and `reference` names the transfer; both are None in a preview.
    """

    order_id: str
    user: Recipient
    amount: str
    asset: str
    top_up_id: str | None = None
    reference: str | None = None


async def preview(order_id: str, user_id: str) -> Attribution:
    """Return what `attribute` would do, without doing it. Raises its errors about the order and the user."""
    async with transaction() as db:
        order = await named.purchase(db, order_id)
        user = await _recipient(db, user_id)
        booked = await _in_suspense(db, order)
        _top_up(order, booked, user_id=user.id, at=now())
        return _attribution(order, user, booked)


async def attribute(order_id: str, user_id: str, *, mandate: Mandate) -> Attribution:
    """Credit an order's money in suspense to a person, once.

    Args:
        order_id: the provider's id of a buy order.
        user_id: the id of the person's account.
        mandate: the operator, with reason and code.

    Raises:
        ValidationFailed: the mandate is unusable, or `user_id` is not an id.
        Forbidden, SecondOperatorNeeded: as in `operators.mandate.deciding`; Forbidden also for the operator's
            own account.
        NotFound: there is no such order, person or operator.
        ActionNotPossible: the order has no money in suspense, what was paid is not known, the account is
            closed or frozen, or the person's verification was rejected.
        DatabaseUnavailable: whether it was done is unknown; check before retrying.
    """
    async with deciding(mandate) as operator:
        db = operator.db
        order = await named.purchase(db, order_id)
        user = await _recipient(db, user_id)
        booked, at = await _in_suspense(db, order), now()
        await operator.authorise(_deed(order, user, booked))
        top_up = await _settled_top_up(db, order, booked, user_id=user.id, by=operator, at=at)
        answered = Concern(CaseKind.SUSPENSE, provider_order_id=order.id, detail=operator.reason)
        await close_cases(db, [answered], at=at, by=operator.id)
        instruction = instructions.attribute(
            booked.delivery, user_id=user.id, top_up_id=top_up.id, cause=operator.cause
        )
        transfer_id = await post_once(db, instruction)
        attribution = _attribution(order, user, booked, top_up_id=top_up.id, reference=instruction.reference)
        operator.write_audit(
            subject=top_up.id,
            at=at,
            detail={
                "order": attribution.order_id,
                "user": user.id,
                "amount": attribution.amount,
                "asset": attribution.asset,
                "reference": attribution.reference,
            },
            transfer_id=transfer_id,
        )
    announce_changes([attribution.user.id])
    _log.info("order attributed", top_up_id=attribution.top_up_id, operator=operator.id)
    return attribution


def _deed(order: OrderRecord, user: User, booked: BookedDelivery) -> Deed:
    delivery = booked.delivery
    return Deed(
        "review.attribute",
        order.order_id,
        concerns=frozenset({user.id}),
        moves=((from_minor(delivery.amount_minor, scale=booked.scale), delivery.asset),),
        state={"user": user.id, "email": user.email},
    )


def _attribution(
    order: OrderRecord,
    user: User,
    booked: BookedDelivery,
    *,
    top_up_id: str | None = None,
    reference: str | None = None,
) -> Attribution:
    return Attribution(
        order_id=order.order_id,
        user=Recipient(user.id, user.email, user.display_name, user.created_at, user.role, user.kyc_status),
        amount=amount_text(booked.delivery.amount_minor, scale=booked.scale),
        asset=booked.delivery.asset,
        top_up_id=top_up_id,
        reference=reference,
    )


async def _recipient(db: AsyncSession, user_id: str) -> User:
    """Return the person to credit, locked against changes until the transaction ends."""
    user = await named.person(db, user_id)
    refuse_unfit(user)
    return user


async def _in_suspense(db: AsyncSession, order: OrderRecord) -> BookedDelivery:
    if order.top_up_id is not None:
        raise ActionNotPossible(f"This order belongs to top-up {order.top_up_id} already.")
    booked = await booked_for_order(db, provider_order_id=order.id)
    if booked is None:
        raise ActionNotPossible("Nothing of this order was booked, so nothing of it lies in suspense.")
    return booked


async def _settled_top_up(  # noqa: PLR0913 - what, whose, by whom and when
    db: AsyncSession, order: OrderRecord, booked: BookedDelivery, *, user_id: str, by: Operator, at: datetime
) -> TopUp:
    top_up = _top_up(order, booked, user_id=user_id, at=at)
    count_in_base(top_up, rates=await kept_rates(db))
    db.add(top_up)
    await db.flush()  # The order and the top-up reference each other.
    order.top_up_id, top_up.best_order_id = top_up.id, order.id
    top_up.received_minor, top_up.received_asset = booked.delivery.amount_minor, booked.delivery.asset
    evidence = Evidence(
        StepSource.OPERATOR,
        at,
        Act.ATTRIBUTED,
        actor=by.id,
        detail="attributed",
        provider_order_id=order.id,
        order_version=order.version,
    )
    record(db, top_up, on_order(CREATED, StatusClass.DELIVERED).state, evidence=evidence)
    await db.flush()
    return top_up


def _top_up(order: OrderRecord, booked: BookedDelivery, *, user_id: str, at: datetime) -> TopUp:
    """Return the top-up that the order would have had. Only the provider's record says what was paid."""
    if order.fiat_amount is None or order.fiat_currency is None or order.fiat_type is None:
        raise ActionNotPossible("The provider's record does not say what was paid for this order.")
    return TopUp(
        id=new_id(),
        user_id=user_id,
        environment=order.environment,
        fiat_amount=order.fiat_amount,
        fiat_currency=order.fiat_currency,
        fiat_type=order.fiat_type,
        asset=booked.delivery.asset,
        network=booked.delivery.network,
        payment_method=_METHODS.get(order.payment_kind or 0, "unknown"),
        expected_amount=order.expected_amount,
        created_at=at,
        updated_at=at,
    )
