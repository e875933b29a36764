"""Debits: a program of the operator spends a person's money, at once or through a hold, and may reverse that.

Each operation happens once under its reference, and writes a line to the audit log. Locks are taken in the
same order everywhere: the person, the debit, and last, in `ledger.posting`, the balance.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.db.engine import execute, on_commit, transaction
from onramp_app.db.moments import moment_of
from onramp_app.debits import amounts, events
from onramp_app.debits.amounts import FiatAmount, Taken
from onramp_app.debits.errors import AccountClosed, MoreThanLeft, ReferenceUsed
from onramp_app.debits.tables import DebitRecord
from onramp_app.debits.views import DebitView, find, view_of
from onramp_app.debits.words import MAX_METADATA, DebitStatus
from onramp_app.domain.environment import Environment, StepSource, current_environment
from onramp_app.domain.errors import FieldError, NotFound, ValidationFailed
from onramp_app.domain.ids import new_id
from onramp_app.domain.money import AmountUnreadable, amount_text, decimal_text, to_minor
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.ledger.assets import scales
from onramp_app.ledger.debits import instructions
from onramp_app.ledger.debits.instructions import Debit
from onramp_app.ledger.errors import ReferenceTaken
from onramp_app.ledger.posting import post
from onramp_app.ledger.tables import LedgerEntry, LedgerTransfer
from onramp_app.ledger.transfers import Cause, Instruction
from onramp_app.ledger.words import TransferKind
from onramp_app.outgoing_webhooks.events import note_balance
from onramp_app.outgoing_webhooks.words import EventType
from onramp_app.programs import people, records
from onramp_app.programs.views import Program
from onramp_app.top_ups.errors import AccountFrozen

DEFAULT_HOLD = timedelta(days=7)
MIN_HOLD, MAX_HOLD = timedelta(minutes=1), timedelta(days=30)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WantedDebit:
    """What a program asks for: an amount of `asset` or, where it is given, of `fiat_currency`.

    With a currency, `asset` is the asset to take it from; None: the person's asset that is worth most. `hold`
    is for how long the amount is only set aside; None: it is spent at once.
    """

    user_id: str
    amount: Decimal
    reference: str
    asset: str | None = None
    fiat_currency: str | None = None
    description: str | None = None
    hold: timedelta | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def input_hash(self) -> bytes:
        """The SHA-256 of the request's content; 5 and 5.00 are the same amount."""
        parts = (
            self.user_id,
            decimal_text(self.amount),
            self.asset,
            self.fiat_currency,
            self.description,
            None if self.hold is None else int(self.hold.total_seconds()),
            sorted(self.metadata.items()),
        )
        return hashlib.sha256(json.dumps(parts).encode()).digest()


@dataclass(frozen=True, slots=True)
class WantedMove:
    """The amount to capture, release or reverse under a reference; None: all that is left."""

    reference: str
    amount: Decimal | None = None


class Move(StrEnum):
    """What a program may do with a debit that it made."""

    CAPTURE = "capture"
    RELEASE = "release"
    REVERSE = "reverse"


async def create(program: Program, wanted: WantedDebit) -> tuple[DebitView, bool]:
    """Create a debit, once under the program's reference.

    Returns the debit, and whether it is new: a repeat gets the same view as the first request. A refused
    request stores nothing, so the same reference may be tried again.

    Raises:
        ReferenceUsed: the reference was used with other content.
        InsufficientFunds: the person has less available.
        NotFound: the program does not know this person, or they have closed their account.
        AccountFrozen: an operator froze the account.
        ValidationFailed, UnsupportedAsset, UnsupportedCurrency: the amount cannot be taken.
        RateTooOld, ProviderUnavailable: there is no rate that may be used.
        DatabaseUnavailable: it is unknown whether the debit was made; repeating the request tells.
    """
    async with transaction() as db:
        if (known := await _known(db, program.id, wanted)) is not None:
            return known, False
    fiat = None
    if wanted.fiat_currency is not None:
        fiat = await amounts.with_rates(wanted.amount, wanted.fiat_currency)
    async with transaction() as db:
        await people.require(db, program.id, wanted.user_id)
        await _require_debitable(db, wanted.user_id)
        taken = await _taken(db, wanted, fiat)
        row = await _insert(db, program.id, wanted, taken)
        if row is None:  # Another request with this reference was committed in between.
            known = await _known(db, program.id, wanted)
            if known is None:
                raise AssertionError("a debit is never deleted")
            return known, False
        begin = instructions.hold if row.is_hold else instructions.debit
        await _post(db, row, begin(debit_of(row), row.amount_minor, cause=_by(program.id)))
        events.note(db, row, EventType.DEBIT_CREATED)
        records.note(db, program, "debit.created", subject=row.id)
        return view_of(row, await scales(db)), True


async def move(program: Program, debit_id: str, what: Move, wanted: WantedMove) -> DebitView:
    """Capture or release what is on hold, or reverse what was spent; once under each reference.

    Returns the debit as it is afterwards; a repeat changes nothing.

    Raises:
        NotFound: the program has no such debit.
        MoreThanLeft: less is on hold (nothing after it has expired), or less is left to reverse; or a release
            is not of all that is left.
        ReferenceUsed: the reference was used with another amount.
        AccountFrozen: an operator froze the account, so nothing can be captured.
        AccountClosed: the owner has closed the account, so nothing can be returned to it.
        ValidationFailed: the amount cannot be written in the asset's minor units.
        DatabaseUnavailable: it is unknown whether it was done; repeating the request tells.
    """
    async with transaction() as db:
        user_id = (await find(db, program.id, debit_id)).user_id
        person = await _locked(db, user_id)
        row = await find(db, program.id, debit_id, lock=True)
        known = await scales(db)
        given = None if wanted.amount is None else _minor(wanted.amount, scale=known[row.asset])
        if (minor := await _moved_before(db, row, what, wanted)) is not None:
            # The hash of the instruction decides whether this is a repeat: the same amount, given the same
            # way.
            minor = minor if given is None else given
            try:
                await post(db, [_instruction(row, what, minor, wanted)])
            except ReferenceTaken:
                raise ReferenceUsed("This reference came before, with another amount.") from None
            return view_of(row, known)
        left = await _left(db, row, what)
        minor = left if given is None else given
        if not 0 < minor <= left or (what is Move.RELEASE and minor != left):
            raise _more_than_left(what, left=left, scale=known[row.asset])
        if what is Move.CAPTURE and person.frozen_at is not None:
            raise AccountFrozen("The account is frozen, so nothing of it can be captured.")
        if what is Move.REVERSE and person.closed_at is not None:
            raise AccountClosed("The account is closed, so nothing can be given back to it.")
        await settle(db, row, what, minor, reference=wanted.reference)
        await _post(db, row, _instruction(row, what, minor, wanted))
        if what is Move.REVERSE:
            events.note(db, row, EventType.DEBIT_REVERSED)
        records.note(db, program, _DONE[what], subject=row.id)
        return view_of(row, known)


async def settle(
    db: AsyncSession, row: DebitRecord, what: Move, minor: int, *, reference: str | None
) -> None:
    """Update a locked debit for a move, before it is booked. `reference` is the move's own, if it has one."""
    match what:
        case Move.CAPTURE:
            row.posted_minor += minor
        case Move.RELEASE:
            row.released_minor += minor
            row.release_reference = reference
        case Move.REVERSE:
            row.reversed_minor += minor
    if row.left_minor == 0:
        row.status = (DebitStatus.POSTED if row.posted_minor else DebitStatus.RELEASED).value
    row.updated_at = await moment_of(db)
    await db.flush()


async def _known(db: AsyncSession, program_id: str, wanted: WantedDebit) -> DebitView | None:
    query = select(DebitRecord).where(
        DebitRecord.environment == current_environment().value,
        DebitRecord.program_id == program_id,
        DebitRecord.reference == wanted.reference,
    )
    row = (await db.exec(query)).first()
    if row is None:
        return None
    if row.input_hash != wanted.input_hash:
        raise ReferenceUsed("This reference came before, with other content.")
    return view_of(row, await scales(db), as_made=True)


async def _locked(db: AsyncSession, user_id: str) -> User:
    """Return a person, locked: until the end, the account can be neither frozen nor closed."""
    query = select(User).where(User.id == user_id).with_for_update(read=True)
    return (await db.exec(query.execution_options(populate_existing=True))).one()


async def _require_debitable(db: AsyncSession, user_id: str) -> None:
    person = await _locked(db, user_id)
    if person.closed_at is not None:
        raise NotFound("The owner has closed this account.")
    if person.frozen_at is not None:
        raise AccountFrozen("The account is frozen, so nothing of it can be taken.")


async def _taken(db: AsyncSession, wanted: WantedDebit, fiat: FiatAmount | None) -> Taken:
    known = await scales(db)
    if fiat is None:
        return amounts.taken_of_asset(wanted.amount, wanted.asset or "", known)
    if wanted.asset is not None:
        return amounts.taken_of_currency(fiat, wanted.asset, known)
    return await amounts.taken_of_any(db, wanted.user_id, fiat)


async def _insert(db: AsyncSession, program_id: str, wanted: WantedDebit, taken: Taken) -> DebitRecord | None:
    at = await moment_of(db)
    is_hold = wanted.hold is not None
    row = {
        "id": new_id(),
        "environment": current_environment().value,
        "program_id": program_id,
        "reference": wanted.reference,
        "input_hash": wanted.input_hash,
        "user_id": wanted.user_id,
        "asset": taken.asset,
        "amount_minor": taken.minor,
        "fiat_amount": wanted.amount if taken.price else None,
        "fiat_currency": wanted.fiat_currency,
        "rate": taken.price.rate if taken.price else None,
        "rate_as_of": taken.price.as_of if taken.price else None,
        "description": wanted.description,
        "metadata_json": _kept_metadata(wanted.metadata),
        "is_hold": is_hold,
        "expires_at": at + wanted.hold if wanted.hold is not None else None,
        "status": (DebitStatus.HELD if is_hold else DebitStatus.POSTED).value,
        "posted_minor": 0 if is_hold else taken.minor,
        "released_minor": 0,
        "reversed_minor": 0,
        "created_at": at,
        "updated_at": at,
    }
    # The insert waits for another transaction that has just written the same reference.
    made = insert(DebitRecord).values(row).on_conflict_do_nothing().returning(col(DebitRecord.id))
    row_id = (await db.exec(made)).first()
    return None if row_id is None else await db.get_one(DebitRecord, row_id[0])


def _kept_metadata(metadata: Mapping[str, str]) -> str | None:
    if not metadata:
        return None
    kept = json.dumps(dict(metadata), ensure_ascii=False)
    if len(kept) > MAX_METADATA:
        message = f"This is more than {MAX_METADATA} characters as JSON."
        raise ValidationFailed(
            "One or more fields cannot be used.", errors=(FieldError("metadata", message),)
        )
    return kept


async def _moved_before(db: AsyncSession, row: DebitRecord, what: Move, wanted: WantedMove) -> int | None:
    """Return the amount of an earlier move under this reference, or None."""
    if what is Move.RELEASE:
        return row.released_minor if row.release_reference == wanted.reference else None
    query = (
        select(col(LedgerEntry.amount_minor))
        .join(LedgerTransfer, col(LedgerTransfer.id) == col(LedgerEntry.transfer_id))
        .where(
            LedgerTransfer.environment == row.environment,
            LedgerTransfer.reference == debit_of(row).name(_KINDS[what], wanted.reference),
            col(LedgerEntry.amount_minor) > 0,
        )
    )
    found = (await execute(db, query)).scalar()
    return None if found is None else int(found)


async def _left(db: AsyncSession, row: DebitRecord, what: Move) -> int:
    if what is Move.REVERSE:
        return row.posted_minor - row.reversed_minor
    # A hold that has expired will be released by the background work shortly.
    is_over = row.expires_at is not None and row.expires_at <= await moment_of(db)
    return 0 if is_over else row.left_minor


def _instruction(row: DebitRecord, what: Move, minor: int, wanted: WantedMove) -> Instruction:
    of, cause, is_rest = debit_of(row), _by(row.program_id), wanted.amount is None
    match what:
        case Move.CAPTURE:
            return instructions.capture(of, minor, reference=wanted.reference, is_rest=is_rest, cause=cause)
        case Move.RELEASE:
            return instructions.release(of, minor, reference=wanted.reference, cause=cause)
        case Move.REVERSE:
            return instructions.reverse(of, minor, reference=wanted.reference, is_rest=is_rest, cause=cause)


_DONE = {
    Move.CAPTURE: "debit.captured",
    Move.RELEASE: "debit.released",
    Move.REVERSE: "debit.reversed",
}
_KINDS = {Move.CAPTURE: TransferKind.DEBIT_CAPTURE, Move.REVERSE: TransferKind.DEBIT_REVERSE}


def debit_of(row: DebitRecord) -> Debit:
    """Return the debit in the form in which the ledger refers to it."""
    return Debit(Environment(row.environment), row.id, row.program_id, row.reference, row.user_id, row.asset)


def _by(program_id: str) -> Cause:
    return Cause(StepSource.PROGRAM, actor=program_id)


async def _post(db: AsyncSession, row: DebitRecord, instruction: Instruction) -> None:
    (posted,) = await post(db, [instruction])
    await note_balance(db, instruction, posted)
    on_commit(db, partial(announce_changes, [row.user_id]))
    on_commit(db, partial(_log.info, "debit", debit_id=row.id, kind=instruction.kind.value))


def _minor(amount: Decimal, *, scale: int) -> int:
    try:
        return to_minor(amount, scale=scale)
    except AmountUnreadable as error:
        raise ValidationFailed(
            "One or more fields cannot be used.", errors=(FieldError("amount", f"{error}."),)
        ) from None


def _more_than_left(what: Move, *, left: int, scale: int) -> MoreThanLeft:
    most = amount_text(left, scale=scale)
    least = most if what is Move.RELEASE else amount_text(min(1, left), scale=scale)
    details = {
        Move.CAPTURE: f"{most} of this debit is on hold.",
        Move.RELEASE: f"{most} of this debit is on hold, and all of it is released at once.",
        Move.REVERSE: f"{most} of this debit was spent and not given back.",
    }
    return MoreThanLeft(details[what], extra={"min": least, "max": most})
