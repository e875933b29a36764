"""Moves money between the operator and one person: makes a shortfall good, or writes off what they owe.

Both are at the operator's expense, and happen once for each reference that the operator gives, such as a
ticket number. The person sees them among their transactions.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import structlog
from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.db.engine import PROOF
from onramp_app.db.locks import Lock
from onramp_app.domain.clock import now
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import FieldError, ValidationFailed
from onramp_app.domain.money import AmountUnreadable, amount_text, from_minor, to_minor
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.ledger import instructions
from onramp_app.ledger.assets import scales
from onramp_app.ledger.balances import adjusted_since, balances, spare_minor
from onramp_app.ledger.instructions import UserAmount
from onramp_app.ledger.posting import is_posted
from onramp_app.ledger.transfers import Instruction
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, Operator, deciding
from onramp_app.review import named
from onramp_app.review.decisions import post_once, refuse_unfit

_AMOUNT = re.compile(r"[0-9]{1,38}(?:\.[0-9]{1,18})?", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An operator's request as typed: whose account, how much of which asset, and which reference."""

    user_id: str
    asset: str
    amount: str
    reference: str


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What was done: `amount` in whole units of `asset`. `reference` names the transfer."""

    user_id: str
    email: str
    done: str
    amount: str
    asset: str
    reference: str


async def make_good(wanted: Wanted, *, mandate: Mandate) -> Adjusted:
    """Credit a person with an amount at the operator's expense, once for each reference.

    The treasury must already hold the coins, on top of what is owed to everybody.

    Raises:
        ValidationFailed: an input is unusable, the amount has more decimals than its asset, or the books do
            not know the asset.
        Forbidden, SecondOperatorNeeded: as in `operators.mandate.deciding`; Forbidden also for the operator's
            own account.
        NotFound: there is no such person or operator.
        ActionNotPossible: the reference was used before, the account may not be credited, or the treasury
            does not hold that much more than is owed.
        DatabaseUnavailable: whether it was done is unknown; check before retrying.
    """
    async with deciding(mandate, purpose=PROOF) as operator:
        user, amount, scale = await _begin(operator.db, wanted)
        refuse_unfit(user)
        instruction = instructions.make_good(wanted.reference, amount, cause=operator.cause)
        await _refuse_repeat(operator.db, instruction)
        spare = await spare_minor(operator.db, wanted.asset)
        if amount.amount_minor > spare:
            raise ActionNotPossible(
                f"The treasury holds {amount_text(max(spare, 0), scale=scale)} {wanted.asset} more than is"
                " owed: send coins there, book them with reconcile --treasury --post, and repeat this."
            )
        adjusted = await _book(operator, user, instruction, scale=scale, done="made good")
    announce_changes([adjusted.user_id])
    return adjusted


async def write_off(wanted: Wanted, *, mandate: Mandate) -> Adjusted:
    """Write off what a person owes, or a part of it, at the operator's expense, once for each reference.

    Raises:
        ValidationFailed, Forbidden, SecondOperatorNeeded, NotFound, DatabaseUnavailable: as in `make_good`.
        ActionNotPossible: the reference was used before, or the person owes less.
    """
    async with deciding(mandate) as operator:
        user, amount, scale = await _begin(operator.db, wanted)
        instruction = instructions.write_off(wanted.reference, amount, cause=operator.cause)
        await _refuse_repeat(operator.db, instruction)
        kept = (await balances(operator.db, [user.id]))[user.id]
        owed = sum(one.balance.owed_minor for one in kept if one.asset == wanted.asset)
        if amount.amount_minor > owed:
            raise ActionNotPossible(
                f"This person owes {amount_text(owed, scale=scale)} {wanted.asset}: no more is written off."
            )
        adjusted = await _book(operator, user, instruction, scale=scale, done="written off")
    announce_changes([adjusted.user_id])
    return adjusted


async def _begin(db: AsyncSession, wanted: Wanted) -> tuple[User, UserAmount, int]:
    """Return the person, the amount and its scale. Other adjustments wait until the transaction ends.

    Two concurrent ones would each see the same money in the treasury, the same debt, and the same recent
    total, still below the threshold for a second operator.
    """
    if not _REFERENCE.fullmatch(wanted.reference):
        message = "Use 1 to 64 letters, digits, dots, hyphens and underscores, a letter or digit first."
        raise ValidationFailed("Give a reference of yours.", errors=(FieldError("reference", message),))
    await _one_at_a_time(db)
    user = await named.person(db, wanted.user_id)
    known = await scales(db)
    if wanted.asset not in known:
        message = f"The books know {', '.join(sorted(known)) or 'no asset yet'}."
        raise ValidationFailed("The books do not know this asset.", errors=(FieldError("asset", message),))
    scale = known[wanted.asset]
    minor = _minor(wanted.amount, scale=scale)
    return user, UserAmount(current_environment(), user.id, wanted.asset, minor), scale


async def _one_at_a_time(db: AsyncSession) -> None:
    await db.exec(select(func.pg_advisory_xact_lock(Lock.ADJUSTMENTS)))


def _minor(amount: str, *, scale: int) -> int:
    message = "Use digits, with at most 18 after a point, for more than nothing."
    if _AMOUNT.fullmatch(amount):
        try:
            minor = to_minor(Decimal(amount), scale=scale)
        except AmountUnreadable as error:
            message = f"Not possible: {error}."
        else:
            if minor:
                return minor
    raise ValidationFailed("The amount cannot be used.", errors=(FieldError("amount", message),))


async def _refuse_repeat(db: AsyncSession, instruction: Instruction) -> None:
    if await is_posted(db, instruction):
        raise ActionNotPossible(f"{instruction.reference} was booked before. Nothing was done now.")


async def _book(
    operator: Operator, user: User, instruction: Instruction, *, scale: int, done: str
) -> Adjusted:
    asset, minor = instruction.asset, instruction.amount_minor
    at = now()
    # A larger amount that is split into parts needs two operators as well.
    lately = await adjusted_since(operator.db, instruction.kind, since=at - timedelta(days=1))
    await operator.authorise(
        Deed(
            f"review.{instruction.kind.value}",
            user.id,
            concerns=frozenset({user.id}),
            moves=((from_minor(minor, scale=scale), asset),),
            lately=tuple(lately),
            state={"reference": instruction.reference, "email": user.email},
        )
    )
    adjusted = Adjusted(
        user_id=user.id,
        email=user.email,
        done=done,
        amount=amount_text(minor, scale=scale),
        asset=asset,
        reference=instruction.reference,
    )
    transfer_id = await post_once(operator.db, instruction)
    detail = {"amount": adjusted.amount, "asset": asset, "reference": adjusted.reference}
    operator.write_audit(at=at, detail=detail, transfer_id=transfer_id)
    _log.info("adjusted", reference=adjusted.reference, user_id=user.id, operator=operator.id)
    return adjusted
