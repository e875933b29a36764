"""Credits a delivery on the provider's word while no server of its network answers to confirm it.

The looks at the network continue: once a server answers, the transfer is still claimed for this order, and
its amount is compared with what was credited.
"""

from datetime import datetime

import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.cases.cases import Concern, close_cases
from onramp_app.cases.words import CaseKind
from onramp_app.chain.claims import is_taken, lock_transactions
from onramp_app.chain.evidence import AWAY_ALARM_AFTER
from onramp_app.chain.tables import ChainEvidence
from onramp_app.chain.words import EvidenceState
from onramp_app.domain.clock import now
from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import is_id
from onramp_app.domain.money import amount_text, from_minor
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.ledger import instructions
from onramp_app.ledger.assets import scales
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, deciding
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import StatusClass
from onramp_app.review.decisions import Decision, post_once, refuse_unfit
from onramp_app.top_ups.moves import Evidence, note_paid, record, state_of
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Act, on_order

_DONE = "credited"
_log = structlog.get_logger(__name__)


async def credit(top_up_id: str, *, mandate: Mandate) -> Decision:
    """Credit, once, the delivery of a top-up that waits for a network which cannot be read.

    The amount follows from the provider's figures by `ONRAMP_DELIVERED_RULE`.

    Raises:
        ValidationFailed, Forbidden, SecondOperatorNeeded: as in `operators.mandate.deciding`; Forbidden also
            where the top-up is the operator's own.
        NotFound: there is no such top-up or operator.
        ActionNotPossible: no delivery of the top-up waits, its network's servers answer or have been down for
            less than five minutes, the record has no amount or another asset, another order has claimed the
            transaction, or the account may not be credited.
        DatabaseUnavailable: whether it was done is unknown; check before retrying.
    """
    async with deciding(mandate) as operator:
        db, at = operator.db, now()
        order, evidence = await _waiting(db, top_up_id)
        await lock_transactions(db, [evidence])
        owner, top_up = await _owner_and_top_up(db, top_up_id)
        refuse_unfit(owner)
        delivery = _delivery(order, evidence, top_up, at=at)
        if await is_taken(db, evidence):
            raise ActionNotPossible(
                f"Transaction {evidence.transaction_hash} was credited for another order: what it brought is"
                " credited once."
            )
        scale = (await scales(db))[delivery.asset]
        amount = from_minor(delivery.amount_minor, scale=scale)
        await operator.authorise(
            Deed(
                "review.credit",
                top_up.id,
                concerns=frozenset({owner.id}),
                moves=((amount, delivery.asset),),
                state={"order": order.order_id, "hash": evidence.transaction_hash},
            )
        )
        instruction = instructions.receive_available(
            delivery, user_id=owner.id, top_up_id=top_up.id, cause=operator.cause
        )
        evidence.credited_by = operator.id
        order.delivered_minor, top_up.best_order_id = delivery.amount_minor, order.id
        top_up.received_minor, top_up.received_asset = delivery.amount_minor, delivery.asset
        step = on_order(state_of(top_up), StatusClass.DELIVERED)
        line = Evidence(
            StepSource.OPERATOR,
            at,
            Act.CREDITED,
            actor=operator.id,
            detail=_DONE,
            provider_order_id=order.id,
            order_version=order.version,
        )
        record(db, top_up, step.state, evidence=line)
        note_paid(top_up, order)
        await db.flush()
        answered = Concern(CaseKind.CHAIN_AWAY, provider_order_id=order.id, detail=operator.reason)
        await close_cases(db, [answered], at=at, by=operator.id)
        transfer_id = await post_once(db, instruction)
        decision = Decision(
            top_up_id=top_up.id,
            user_id=owner.id,
            done=_DONE,
            status=top_up.status,
            order_id=order.order_id,
            amount=amount_text(delivery.amount_minor, scale=scale),
            asset=delivery.asset,
            reference=instruction.reference,
        )
        operator.write_audit(
            at=at,
            detail={
                "after": decision.status,
                "order": decision.order_id,
                "amount": decision.amount,
                "asset": decision.asset,
                "reference": decision.reference,
            },
            transfer_id=transfer_id,
        )
    announce_changes([decision.user_id])
    _log.info("top-up credited by hand", top_up_id=top_up_id, operator=operator.id)
    return decision


async def _waiting(db: AsyncSession, top_up_id: str) -> tuple[OrderRecord, ChainEvidence]:
    """Return the waiting order and its evidence, both locked, the order first (the global lock order)."""
    found = None
    if is_id(top_up_id):
        query = (
            select(OrderRecord, ChainEvidence)
            .join(ChainEvidence, col(ChainEvidence.provider_order_id) == col(OrderRecord.id))
            .where(OrderRecord.top_up_id == top_up_id, col(OrderRecord.delivered_minor).is_(None))
            .where(OrderRecord.status_class == StatusClass.DELIVERED.value)
            .order_by(col(OrderRecord.id))
            .limit(1)
        )
        found = (await db.exec(query.with_for_update(of=OrderRecord, key_share=True))).first()
    if found is None:
        raise ActionNotPossible("Nothing of this top-up waits for a network.")
    order, _ = found
    again = select(ChainEvidence).where(ChainEvidence.provider_order_id == order.id)
    locked = again.with_for_update().execution_options(populate_existing=True)
    return order, (await db.exec(locked)).one()


async def _owner_and_top_up(db: AsyncSession, top_up_id: str) -> tuple[User, TopUp]:
    """Return the owner and the top-up, locked in this order. Raises `NotFound`."""
    people = select(User).join(TopUp, col(TopUp.user_id) == col(User.id)).where(TopUp.id == top_up_id)
    owner = (await db.exec(people.with_for_update(read=True, of=User))).first()
    top_up = (await db.exec(select(TopUp).where(TopUp.id == top_up_id).with_for_update())).first()
    if owner is None or top_up is None:
        raise NotFound("There is no such top-up.")
    return owner, top_up


def _delivery(
    order: OrderRecord, evidence: ChainEvidence, top_up: TopUp, *, at: datetime
) -> instructions.Delivery:
    is_away = evidence.state == EvidenceState.AWAY and evidence.away_since is not None
    if not is_away or evidence.away_since is None or at - evidence.away_since < AWAY_ALARM_AFTER:
        raise ActionNotPossible(
            f"The network decides while a server of {evidence.network} answers; after five minutes without"
            " one you may."
        )
    if evidence.recorded_minor is None:
        raise ActionNotPossible("The provider's record does not say how much arrived.")
    if top_up.has_entry or (evidence.asset, evidence.network) != (top_up.asset, top_up.network):
        raise ActionNotPossible("It is a second payment or another asset: wait for the network.")
    return instructions.Delivery(
        environment=Environment(order.environment),
        provider_order_id=order.id,
        order_id=order.order_id,
        asset=evidence.asset,
        network=evidence.network,
        address=evidence.address,
        amount_minor=evidence.recorded_minor,
    )
