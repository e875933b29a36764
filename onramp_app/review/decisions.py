"""Operators' decisions about a top-up: release, return, close, reverse, and undo a reversal.

Each decision is one transaction under the lock of its top-up: the state, the ledger, the cases, the
timeline and the audit log move together or not at all. Nothing is decided here;
`top_ups.transitions.on_action` says what an action makes of a state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.accounts.words import KycStatus
from onramp_app.cases.cases import Concern, close_cases
from onramp_app.cases.words import CaseKind
from onramp_app.domain.clock import now
from onramp_app.domain.environment import StepSource
from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import is_id
from onramp_app.domain.money import amount_text, from_minor
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.ledger import instructions
from onramp_app.ledger.deliveries import BookedDelivery, booked_for_top_up
from onramp_app.ledger.errors import AccountOverdrawn
from onramp_app.ledger.posting import post
from onramp_app.ledger.transfers import Instruction
from onramp_app.ledger.words import TransferKind
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, Operator, deciding
from onramp_app.outgoing_webhooks.events import note_balance
from onramp_app.top_ups.moves import Evidence, record, state_of
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import (
    ACT_OF,
    Action,
    Posting,
    Reason,
    State,
    TopUpStatus,
    on_action,
)

# What the top-up's owner reads in its timeline. The operator's reason is for operators only.
_DONE: Mapping[Action, str] = {
    Action.RELEASE: "released",
    Action.RETURN: "returned",
    Action.CLOSE: "closed",
    Action.REVERSE: "reversed",
    Action.UNDO_REVERSE: "reversal undone",
}
# Which cases a decision closes. An alarm about an unknown status outlives every decision but closing.
_CLOSED_BY: Mapping[Action, tuple[CaseKind, ...]] = {
    Action.RELEASE: (CaseKind.HELD,),
    Action.RETURN: (CaseKind.HELD,),
    Action.CLOSE: (CaseKind.IN_REVIEW, CaseKind.UNKNOWN_STATUS),
    Action.REVERSE: (CaseKind.FAILED_AFTER_SETTLED,),
    Action.UNDO_REVERSE: (),
}

# Decisions after which the user can use money.
_CREDITING = frozenset({Action.RELEASE, Action.UNDO_REVERSE})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a decision did. `amount` is in whole units of `asset`; both are None when nothing was booked.

    `order_id` is the provider's id. `reference` names the transfer that was posted, if any.
    """

    top_up_id: str
    user_id: str
    done: str
    status: str
    order_id: str | None
    amount: str | None
    asset: str | None
    reference: str | None


async def decide(top_up_id: str, action: Action, *, mandate: Mandate) -> Decision:
    """Carry out an operator's decision about a top-up, once.

    Raises:
        ValidationFailed, Forbidden, SecondOperatorNeeded: as in `operators.mandate.deciding`; Forbidden also
            where the top-up is the operator's own.
        NotFound: there is no such top-up or operator.
        ActionNotPossible: the state does not allow the action, the action was done before, or the account may
            not be credited. Nothing was changed.
        DatabaseUnavailable: whether it was done is unknown; check before retrying.
    """
    async with deciding(mandate) as operator:
        db = operator.db
        owner = await _owner(db, top_up_id)
        top_up = await _locked(db, top_up_id)
        before, at = state_of(top_up), now()
        step = on_action(before, action)
        if step is None:
            raise ActionNotPossible(why_not(before, action))
        if action in _CREDITING and owner is not None:
            refuse_unfit(owner)
        booked = await booked_for_top_up(db, top_up_id=top_up.id) if before.has_entry else None
        instruction = None
        if step.posting is not None:
            instruction = _instruction(step.posting, top_up, booked, operator=operator)
        await operator.authorise(_deed(top_up, before, action, booked=booked, instruction=instruction))
        evidence = Evidence(StepSource.OPERATOR, at, ACT_OF[action], actor=operator.id, detail=_DONE[action])
        record(db, top_up, step.state, evidence=evidence)
        await db.flush()
        answered = [Concern(kind, top_up_id=top_up.id, detail=operator.reason) for kind in _CLOSED_BY[action]]
        await close_cases(db, answered, at=at, by=operator.id)
        transfer_id = None if instruction is None else await post_once(db, instruction)
        decision = _decision(top_up, action, booked, instruction=instruction)
        operator.write_audit(
            at=at,
            detail={
                "before": before.status.value,
                "after": decision.status,
                "order": decision.order_id,
                "amount": decision.amount,
                "asset": decision.asset,
                "reference": decision.reference,
            },
            transfer_id=transfer_id,
        )
    announce_changes([decision.user_id])
    _log.info("top-up decided", top_up_id=top_up_id, action=action.value, operator=operator.id)
    return decision


def _deed(
    top_up: TopUp,
    before: State,
    action: Action,
    *,
    booked: BookedDelivery | None,
    instruction: Instruction | None,
) -> Deed:
    moves: tuple[tuple[Decimal, str], ...] = ()
    if booked is not None and instruction is not None:
        delivery = booked.delivery
        moves = ((from_minor(delivery.amount_minor, scale=booked.scale), delivery.asset),)
    return Deed(
        f"review.{action.value}",
        top_up.id,
        concerns=frozenset({top_up.user_id}),
        moves=moves,
        state={
            "before": before.status.value,
            "because": before.reason.value if before.reason else None,
            "reference": instruction.reference if instruction else None,
        },
    )


async def _owner(db: AsyncSession, top_up_id: str) -> User | None:
    """Return the owner, locked against changes; call this before locking the top-up."""
    if not is_id(top_up_id):
        return None
    query = select(User).join(TopUp, col(TopUp.user_id) == col(User.id)).where(TopUp.id == top_up_id)
    return (await db.exec(query.with_for_update(read=True, of=User))).first()


def refuse_unfit(user: User) -> None:
    """Raise `ActionNotPossible` where the account is closed or frozen, or its verification was rejected."""
    if user.closed_at is not None:
        raise ActionNotPossible("This account is closed: nothing can be credited to it. Return the money.")
    if user.frozen_at is not None:
        raise ActionNotPossible("This account is frozen: nothing can be credited to it.")
    if user.kyc_status == KycStatus.REJECTED.value:
        raise ActionNotPossible("This person's verification was rejected: nothing can be credited to them.")


async def _locked(db: AsyncSession, top_up_id: str) -> TopUp:
    found = None
    if is_id(top_up_id):
        found = (await db.exec(select(TopUp).where(TopUp.id == top_up_id).with_for_update())).first()
    if found is None:
        raise NotFound("There is no such top-up.")
    return found


def _instruction(
    posting: Posting, top_up: TopUp, booked: BookedDelivery | None, *, operator: Operator
) -> Instruction:
    if booked is None:
        raise ActionNotPossible("The books do not show what arrived for this top-up: run verify-ledger.")
    delivery, made = booked.delivery, booked.made
    user_id, top_up_id, cause = top_up.user_id, top_up.id, operator.cause
    match posting:
        case Posting.RELEASE:
            return instructions.release(delivery, user_id=user_id, top_up_id=top_up_id, cause=cause)
        case Posting.RETURN:
            return instructions.return_(delivery, user_id=user_id, top_up_id=top_up_id, cause=cause)
        case Posting.REVERSE:
            turn = made.get(TransferKind.REVERSE, 0) + 1
            return instructions.reverse(
                delivery, user_id=user_id, top_up_id=top_up_id, cause=cause, turn=turn
            )
        case Posting.UNDO_REVERSE:
            # What we owe the provider is one sum for all orders, so undoing would take another order's part.
            if made.get(TransferKind.REMIT, 0) or made.get(TransferKind.SETOFF, 0):
                raise ActionNotPossible("It was sent back or set off already, so the reversal stands.")
            turn = made.get(TransferKind.UNDO_REVERSE, 0) + 1
            return instructions.undo_reverse(
                delivery, user_id=user_id, top_up_id=top_up_id, cause=cause, turn=turn
            )
        case Posting.RECEIVE_AVAILABLE | Posting.RECEIVE_HELD:
            raise ValueError(f"{posting} is not an operator's to do")


async def post_once(db: AsyncSession, instruction: Instruction) -> str:
    """Post an instruction that must be new, and return the id of its transfer.

    Raises:
        ActionNotPossible: the instruction was posted before, or an account holds less than it takes.
        InsufficientFunds, ReferenceTaken: as in `ledger.posting.post`.
    """
    try:
        (posted,) = await post(db, [instruction])
    except AccountOverdrawn as error:
        raise ActionNotPossible("The account holds less than is to be taken: run verify-ledger.") from error
    if not posted.is_new:
        raise ActionNotPossible(f"{instruction.reference} was booked before: run verify-ledger.")
    await note_balance(db, instruction, posted)
    return posted.transfer_id


def _decision(
    top_up: TopUp,
    action: Action,
    booked: BookedDelivery | None,
    *,
    instruction: Instruction | None,
) -> Decision:
    delivery = booked.delivery if booked else None
    return Decision(
        top_up_id=top_up.id,
        user_id=top_up.user_id,
        done=_DONE[action],
        status=top_up.status,
        order_id=delivery.order_id if delivery else None,
        amount=amount_text(delivery.amount_minor, scale=booked.scale) if delivery and booked else None,
        asset=delivery.asset if delivery else None,
        reference=instruction.reference if instruction else None,
    )


def why_not(state: State, action: Action) -> str:  # noqa: PLR0911 - one answer a case
    """Return, for the operator, why the action is not possible in this state, and which one is."""
    is_review, status = state.status is TopUpStatus.IN_REVIEW, state.status.value
    match action:
        case Action.RELEASE | Action.RETURN if is_review:
            return "Nothing of this top-up is held, because nothing of it was booked. It can only be closed."
        case Action.RELEASE | Action.RETURN:
            return f"This top-up is {status}: nothing of it is held (any more)."
        case Action.CLOSE if is_review:
            return "Money of this top-up is held: release it or return it."
        case Action.CLOSE:
            return f"This top-up is {status}: only one in review, of which nothing was booked, is closed."
        case Action.REVERSE if is_review and state.has_entry:
            return "Money of this top-up is held and was never the user's to use: return it instead."
        case Action.REVERSE if state.status is TopUpStatus.REVERSED:
            return "This top-up is reversed already."
        case Action.REVERSE:
            return f"This top-up is {status}: nothing was credited that could be reversed."
        case Action.UNDO_REVERSE if state.reason is Reason.RETURNED:
            return (
                "This top-up was returned from what was held; only the reversal of a settled one is undone."
            )
        case Action.UNDO_REVERSE:
            return f"This top-up is {status}: it has no reversal to undo."
        case _:
            return f"This top-up is {status}."
