"""Records how a returned or reversed amount was given back: sent back on chain, or set off by an invoice.

Until then the order's amount is owed to the provider; afterwards its reversal can no longer be undone. No
person's balance changes.
"""

import re
from dataclasses import dataclass

import structlog
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.chain.networks import NETWORKS, is_hash
from onramp_app.domain.clock import now
from onramp_app.domain.errors import FieldError, ValidationFailed
from onramp_app.domain.money import amount_text, from_minor
from onramp_app.ledger import instructions
from onramp_app.ledger.deliveries import BookedDelivery, booked_for_order
from onramp_app.ledger.transfers import Instruction
from onramp_app.ledger.words import TransferKind
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, Operator, deciding
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.review import named
from onramp_app.review.decisions import post_once
from onramp_app.top_ups.tables import TopUp

_EVIDENCE = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
_HASH = re.compile(r"[!-~]{16,128}")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What was recorded: `amount` in whole units of `asset`; `evidence` is the hash or the invoice number."""

    order_id: str
    top_up_id: str
    done: str
    amount: str
    asset: str
    evidence: str
    reference: str


async def remit(order_id: str, *, transaction: str, mandate: Mandate) -> GivenBack:
    """Record, once, that a returned or reversed delivery was sent back on chain from where it had arrived.

    Args:
        order_id: the provider's id of the order.
        transaction: the hash of the transaction that sent the coins back; one may send back several orders.
        mandate: the operator, with reason and code.

    Raises:
        ValidationFailed: not a transaction hash of the network, or the hash of the delivery itself; or as in
            `operators.mandate.deciding`.
        Forbidden, SecondOperatorNeeded: as in `operators.mandate.deciding`; Forbidden also where the top-up
            is the operator's own.
        NotFound: there is no such order or operator.
        ActionNotPossible: nothing of the order is to be given back (any more).
        DatabaseUnavailable: whether it was done is unknown; check before retrying.
    """
    async with deciding(mandate) as operator:
        found = await _to_give_back(operator.db, order_id)
        name = _hash(transaction.strip(), found)
        instruction = instructions.remit(found.booked.delivery, cause=operator.cause)
        return await _book(operator, found, instruction, done="sent back", evidence=name)


async def setoff(order_id: str, *, invoice: str, mandate: Mandate) -> GivenBack:
    """Record, once, that an invoice of the provider's settled a returned or reversed delivery.

    The coins stay with the operator, who paid for them with that invoice.

    Args:
        order_id: the provider's id of the order.
        invoice: the number of the invoice.
        mandate: the operator, with reason and code.

    Raises the errors of `remit`; ValidationFailed also for an unusable invoice number.
    """
    async with deciding(mandate) as operator:
        number = invoice.strip()
        if not _EVIDENCE.fullmatch(number):
            message = "Use 1 to 128 printable ASCII characters."
            raise ValidationFailed(
                "Give the number of the provider's invoice.", errors=(FieldError("invoice", message),)
            )
        found = await _to_give_back(operator.db, order_id)
        instruction = instructions.setoff(found.booked.delivery, cause=operator.cause)
        return await _book(operator, found, instruction, done="set off", evidence=number)


@dataclass(frozen=True, slots=True)
class _Found:
    order: OrderRecord
    top_up: TopUp
    booked: BookedDelivery


async def _to_give_back(db: AsyncSession, order_id: str) -> _Found:
    """Return an order whose amount is to be given back, with its top-up, both locked.

    Undoing a reversal takes the same lock of the top-up, so whichever of the two comes second sees the first.
    """
    order = await named.purchase(db, order_id)
    top_up = None if order.top_up_id is None else await _locked(db, order.top_up_id)
    booked = await booked_for_order(db, provider_order_id=order.id)
    if top_up is None or booked is None:
        raise ActionNotPossible("Nothing of this order was credited, so nothing of it is to be given back.")
    made = booked.made
    if made.get(TransferKind.REMIT, 0):
        raise ActionNotPossible("This order was recorded as sent back already.")
    if made.get(TransferKind.SETOFF, 0):
        raise ActionNotPossible("This order was recorded as set off by an invoice already.")
    taken = made.get(TransferKind.RETURN, 0) + made.get(TransferKind.REVERSE, 0)
    if taken <= made.get(TransferKind.UNDO_REVERSE, 0):
        raise ActionNotPossible(
            f"Nothing of this order is to be given back: its top-up is {top_up.status}. Return or reverse it"
            " first."
        )
    return _Found(order, top_up, booked)


async def _locked(db: AsyncSession, top_up_id: str) -> TopUp:
    return (await db.exec(select(TopUp).where(TopUp.id == top_up_id).with_for_update())).one()


def _hash(name: str, found: _Found) -> str:
    """Return the checked hash in its network's spelling. Raises `ValidationFailed`."""
    network, arrived_by = found.booked.delivery.network, found.order.transaction_hash or ""
    own_form = name.lower() if network in NETWORKS else name
    message = None
    if not (is_hash(own_form) if network in NETWORKS else _HASH.fullmatch(own_form)):
        message = f"This is not the hash of a transaction on {network}."
    elif own_form in (arrived_by, arrived_by.lower()):
        message = "This transaction brought the coins: give the one that sent them back."
    if message is not None:
        raise ValidationFailed(message, errors=(FieldError("transaction", message),))
    return own_form


async def _book(
    operator: Operator, found: _Found, instruction: Instruction, *, done: str, evidence: str
) -> GivenBack:
    delivery, scale = found.booked.delivery, found.booked.scale
    given_back = GivenBack(
        order_id=found.order.order_id,
        top_up_id=found.top_up.id,
        done=done,
        amount=amount_text(delivery.amount_minor, scale=scale),
        asset=delivery.asset,
        evidence=evidence,
        reference=instruction.reference,
    )
    state: dict[str, str | None] = {"reference": given_back.reference, "evidence": evidence}
    await operator.authorise(
        Deed(
            f"review.{instruction.kind.value}",
            found.top_up.id,
            concerns=frozenset({found.top_up.user_id}),
            moves=((from_minor(delivery.amount_minor, scale=scale), delivery.asset),),
            state=state,
        )
    )
    transfer_id = await post_once(operator.db, instruction)
    detail = {"order": given_back.order_id, "amount": given_back.amount, "asset": given_back.asset, **state}
    operator.write_audit(at=now(), detail=detail, transfer_id=transfer_id)
    _log.info("delivery given back", order=given_back.order_id, done=done, operator=operator.id)
    return given_back
