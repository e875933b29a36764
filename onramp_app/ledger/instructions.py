"""One function for each row of the table of entries in docs/money.md. Pure: nothing is posted here.

Those of the table of debits are in `ledger.debits.instructions`.

Debits and credits, references and who may move what are that table's; a test compares them row by row.
Amounts are minor units above zero (`ValueError` otherwise).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from onramp_app.domain.environment import Environment
from onramp_app.ledger.transfers import Account, Balance, Cause, Entry, Instruction, Transfer
from onramp_app.ledger.words import AccountKind, TransferKind


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one provider order delivered to one of our addresses, in minor units of `asset`.

    `provider_order_id` is the id of our row, `order_id` the provider's own. `address` is in the network's own
    form, memo included.
    """

    environment: Environment
    provider_order_id: str
    order_id: str
    asset: str
    network: str
    address: str
    amount_minor: int

    def __post_init__(self) -> None:
        """Refuse a delivery of nothing: it is never booked."""
        if self.amount_minor <= 0:
            raise ValueError("a delivery is more than nothing")

    def reference(self, kind: TransferKind, *, turn: int = 1) -> str:
        """Return the name under which this kind of transfer happens once for this order."""
        return f"onramp:buy:{self.order_id}:{kind}" + (f":{turn}" if turn > 1 else "")

    @property
    def treasury(self) -> Account:
        """The treasury account that the delivery arrived in."""
        return Account(AccountKind.TREASURY, self.asset, network=self.network, address=self.address)


def receive_available(delivery: Delivery, *, user_id: str, top_up_id: str, cause: Cause) -> Instruction:
    """Book a delivery that the user may use; what they owe is recovered from it in the same posting."""
    available = Account(AccountKind.AVAILABLE, delivery.asset, user_id)
    made = _fixed(delivery, TransferKind.RECEIVE, debit=delivery.treasury, credit=available)
    instruction = _of_delivery(delivery, made, cause=cause, user_id=user_id, top_up_id=top_up_id)
    return replace(instruction, resolve=_then_recover(delivery, made, user_id=user_id))


def receive_held(delivery: Delivery, *, user_id: str, top_up_id: str, cause: Cause) -> Instruction:
    """Book a delivery that is the user's but may not be used: held until an operator decides."""
    held = Account(AccountKind.HELD, delivery.asset, user_id)
    made = _fixed(delivery, TransferKind.RECEIVE, debit=delivery.treasury, credit=held)
    return _of_delivery(delivery, made, cause=cause, user_id=user_id, top_up_id=top_up_id)


def receive_suspense(delivery: Delivery, *, cause: Cause) -> Instruction:
    """Book a delivery to our address whose owner is unknown."""
    suspense = Account(AccountKind.SUSPENSE, delivery.asset)
    made = _fixed(delivery, TransferKind.RECEIVE, debit=delivery.treasury, credit=suspense)
    return _of_delivery(delivery, made, cause=cause)


def attribute(delivery: Delivery, *, user_id: str, top_up_id: str, cause: Cause) -> Instruction:
    """Give a delivery in suspense to the user it belongs to; what they owe is recovered from it."""
    suspense = Account(AccountKind.SUSPENSE, delivery.asset)
    available = Account(AccountKind.AVAILABLE, delivery.asset, user_id)
    made = _fixed(delivery, TransferKind.ATTRIBUTE, debit=suspense, credit=available)
    instruction = _of_delivery(delivery, made, cause=cause, user_id=user_id, top_up_id=top_up_id)
    return replace(instruction, resolve=_then_recover(delivery, made, user_id=user_id))


def release(delivery: Delivery, *, user_id: str, top_up_id: str, cause: Cause) -> Instruction:
    """Let the user have what was held; what they owe is recovered from it."""
    held = Account(AccountKind.HELD, delivery.asset, user_id)
    available = Account(AccountKind.AVAILABLE, delivery.asset, user_id)
    made = _fixed(delivery, TransferKind.RELEASE, debit=held, credit=available)
    instruction = _of_delivery(delivery, made, cause=cause, user_id=user_id, top_up_id=top_up_id)
    return replace(instruction, resolve=_then_recover(delivery, made, user_id=user_id))


def return_(delivery: Delivery, *, user_id: str, top_up_id: str, cause: Cause) -> Instruction:
    """Owe what was held to the provider, which gives it back."""
    held = Account(AccountKind.HELD, delivery.asset, user_id)
    payable = Account(AccountKind.PAYABLE, delivery.asset)
    made = _fixed(delivery, TransferKind.RETURN, debit=held, credit=payable)
    return _of_delivery(delivery, made, cause=cause, user_id=user_id, top_up_id=top_up_id)


def reverse(delivery: Delivery, *, user_id: str, top_up_id: str, cause: Cause, turn: int = 1) -> Instruction:
    """Take a credit back: from what is available first; the user owes the rest.

    `turn` counts the reversals of one delivery, from 1: undone ones may be confirmed again.
    """
    reference = delivery.reference(TransferKind.REVERSE, turn=turn)
    amount = delivery.amount_minor

    def resolve(balance: Balance) -> tuple[Transfer, ...]:
        from_available = min(balance.available_minor, amount)
        entries = _entries(
            (Account(AccountKind.AVAILABLE, delivery.asset, user_id), from_available),
            (Account(AccountKind.OWED, delivery.asset, user_id), amount - from_available),
            (Account(AccountKind.PAYABLE, delivery.asset), -amount),
        )
        return (Transfer(reference, TransferKind.REVERSE, entries),)

    return Instruction(
        reference,
        TransferKind.REVERSE,
        delivery.environment,
        delivery.asset,
        amount,
        cause,
        resolve=resolve,
        user_id=user_id,
        top_up_id=top_up_id,
        provider_order_id=delivery.provider_order_id,
    )


def undo_reverse(
    delivery: Delivery, *, user_id: str, top_up_id: str, cause: Cause, turn: int = 1
) -> Instruction:
    """Undo a reversal: pays what the user owes by now first; the rest is available to them again."""
    reference = delivery.reference(TransferKind.UNDO_REVERSE, turn=turn)
    amount = delivery.amount_minor

    def resolve(balance: Balance) -> tuple[Transfer, ...]:
        from_owed = min(balance.owed_minor, amount)
        entries = _entries(
            (Account(AccountKind.PAYABLE, delivery.asset), amount),
            (Account(AccountKind.OWED, delivery.asset, user_id), -from_owed),
            (Account(AccountKind.AVAILABLE, delivery.asset, user_id), from_owed - amount),
        )
        return (Transfer(reference, TransferKind.UNDO_REVERSE, entries),)

    return Instruction(
        reference,
        TransferKind.UNDO_REVERSE,
        delivery.environment,
        delivery.asset,
        amount,
        cause,
        resolve=resolve,
        user_id=user_id,
        top_up_id=top_up_id,
        provider_order_id=delivery.provider_order_id,
    )


def remit(delivery: Delivery, *, cause: Cause) -> Instruction:
    """Book that a returned or reversed delivery was sent back on chain, from the treasury it arrived in."""
    payable = Account(AccountKind.PAYABLE, delivery.asset)
    made = _fixed(delivery, TransferKind.REMIT, debit=payable, credit=delivery.treasury)
    return _of_delivery(delivery, made, cause=cause)


def setoff(delivery: Delivery, *, cause: Cause) -> Instruction:
    """Book that the provider's invoice settled a returned or reversed delivery; the coins stay with us."""
    payable = Account(AccountKind.PAYABLE, delivery.asset)
    adjustments = Account(AccountKind.ADJUSTMENTS, delivery.asset)
    made = _fixed(delivery, TransferKind.SETOFF, debit=payable, credit=adjustments)
    return _of_delivery(delivery, made, cause=cause)


@dataclass(frozen=True, slots=True)
class UserAmount:
    """An amount of one user, in minor units, that belongs to no delivery."""

    environment: Environment
    user_id: str
    asset: str
    amount_minor: int


def make_good(
    adjustment_id: str, amount: UserAmount, *, cause: Cause, top_up_id: str | None = None
) -> Instruction:
    """Credit a shortfall at the operator's expense; `cause.reason` says why."""
    debit_account = Account(AccountKind.ADJUSTMENTS, amount.asset)
    credit_account = Account(AccountKind.AVAILABLE, amount.asset, amount.user_id)
    made = _transfer(
        f"adjust:{adjustment_id}",
        TransferKind.MAKE_GOOD,
        debit=debit_account,
        credit=credit_account,
        amount_minor=amount.amount_minor,
    )
    return replace(_of_amount(amount, made, cause=cause), top_up_id=top_up_id)


def write_off(write_off_id: str, amount: UserAmount, *, cause: Cause) -> Instruction:
    """Cancel a debt of the user's at the operator's expense; `cause.reason` says why."""
    made = _transfer(
        f"writeoff:{write_off_id}",
        TransferKind.WRITE_OFF,
        debit=Account(AccountKind.ADJUSTMENTS, amount.asset),
        credit=Account(AccountKind.OWED, amount.asset, amount.user_id),
        amount_minor=amount.amount_minor,
    )
    return _of_amount(amount, made, cause=cause)


def count(
    treasury: Account, *, missing_minor: int, on: date, environment: Environment, cause: Cause
) -> Instruction:
    """Book a counted difference: the chain holds `missing_minor` less than the book; below zero, more.

    Raises:
        ValueError: no treasury account, or no difference.
    """
    if treasury.kind is not AccountKind.TREASURY:
        raise ValueError(f"{treasury.name} is not a treasury")
    adjustments = Account(AccountKind.ADJUSTMENTS, treasury.asset)
    less, more = (adjustments, treasury) if missing_minor > 0 else (treasury, adjustments)
    made = _transfer(
        f"count:{treasury.name}:{on.isoformat()}",
        TransferKind.COUNT,
        debit=less,
        credit=more,
        amount_minor=abs(missing_minor),
    )
    return Instruction(
        made.reference,
        made.kind,
        environment,
        treasury.asset,
        missing_minor,
        cause,
        resolve=lambda _: (made,),
    )


def _transfer(
    reference: str, kind: TransferKind, *, debit: Account, credit: Account, amount_minor: int
) -> Transfer:
    if amount_minor <= 0:
        raise ValueError(f"{reference} moves nothing")
    return Transfer(reference, kind, (Entry(debit, amount_minor), Entry(credit, -amount_minor)))


def _entries(*moves: tuple[Account, int]) -> tuple[Entry, ...]:
    return tuple(Entry(account, amount) for account, amount in moves if amount)


def _fixed(delivery: Delivery, kind: TransferKind, *, debit: Account, credit: Account) -> Transfer:
    return _transfer(
        delivery.reference(kind), kind, debit=debit, credit=credit, amount_minor=delivery.amount_minor
    )


def _then_recover(
    delivery: Delivery, made: Transfer, *, user_id: str
) -> Callable[[Balance], tuple[Transfer, ...]]:
    def resolve(balance: Balance) -> tuple[Transfer, ...]:
        recovered = min(delivery.amount_minor, balance.owed_minor)
        if not recovered:
            return (made,)
        recover = _transfer(
            delivery.reference(TransferKind.RECOVER),
            TransferKind.RECOVER,
            debit=Account(AccountKind.AVAILABLE, delivery.asset, user_id),
            credit=Account(AccountKind.OWED, delivery.asset, user_id),
            amount_minor=recovered,
        )
        return (made, recover)

    return resolve


def _of_delivery(
    delivery: Delivery,
    made: Transfer,
    *,
    cause: Cause,
    user_id: str | None = None,
    top_up_id: str | None = None,
) -> Instruction:
    return Instruction(
        made.reference,
        made.kind,
        delivery.environment,
        delivery.asset,
        delivery.amount_minor,
        cause,
        resolve=lambda _: (made,),
        detail=tuple(entry.account.name for entry in made.entries),
        user_id=user_id,
        top_up_id=top_up_id,
        provider_order_id=delivery.provider_order_id,
    )


def _of_amount(amount: UserAmount, made: Transfer, *, cause: Cause) -> Instruction:
    return Instruction(
        made.reference,
        made.kind,
        amount.environment,
        amount.asset,
        amount.amount_minor,
        cause,
        resolve=lambda _: (made,),
        user_id=amount.user_id,
    )
