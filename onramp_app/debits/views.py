"""Views of debits for the programs that made them, and what is on hold of a person's balance."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import transaction
from onramp_app.debits.tables import DebitRecord
from onramp_app.debits.words import DebitStatus
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import FieldError, NotFound, ValidationFailed
from onramp_app.domain.ids import is_id
from onramp_app.domain.money import amount_text, decimal_text
from onramp_app.domain.paging import Position, read_cursor, write_cursor
from onramp_app.ledger.assets import scales


@dataclass(frozen=True, slots=True)
class DebitView:
    """One debit. Amounts are decimal strings of `asset`: `amount` = posted + held + released.

    `rate` is the price of one unit of the asset in `fiat_currency`, as of `rate_as_of`; these and
    `fiat_amount` are None where the program named an amount of the asset. `metadata` are pairs of texts.
    """

    id: str
    user_id: str
    status: str
    amount: str
    asset: str
    fiat_amount: str | None
    fiat_currency: str | None
    rate: str | None
    rate_as_of: datetime | None
    reference: str
    description: str | None
    metadata: tuple[tuple[str, str], ...]
    posted_amount: str
    held_amount: str
    released_amount: str
    reversed_amount: str
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


async def get(program_id: str, debit_id: str) -> DebitView:
    """Return one of the program's debits. Raises `NotFound`, even for another program's."""
    async with transaction() as db:
        return view_of(await find(db, program_id, debit_id), await scales(db))


async def find(db: AsyncSession, program_id: str, debit_id: str, *, lock: bool = False) -> DebitRecord:
    """Return the row of one of the program's debits, locked if `lock` is set. Raises `NotFound`."""
    found = None
    if is_id(debit_id):
        query = select(DebitRecord).where(
            DebitRecord.id == debit_id,
            DebitRecord.program_id == program_id,
            DebitRecord.environment == current_environment().value,
        )
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        found = (await db.exec(query)).first()
    if found is None:
        raise NotFound("There is no such debit.")
    return found


async def page(
    program_id: str,
    *,
    user_id: str | None = None,
    reference: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[DebitView], str | None]:
    """Return one page of the program's debits, newest first, and the cursor of the next page or None.

    Raises:
        ValidationFailed: the cursor is not from an earlier answer.
    """
    created_at, row_id = col(DebitRecord.created_at), col(DebitRecord.id)
    query = select(DebitRecord).where(
        DebitRecord.program_id == program_id, DebitRecord.environment == current_environment().value
    )
    if user_id is not None:
        if not is_id(user_id):
            return [], None
        query = query.where(DebitRecord.user_id == user_id)
    if reference is not None:
        query = query.where(DebitRecord.reference == reference)
    if cursor is not None:
        try:
            after = read_cursor(cursor)
        except ValueError as error:
            message = "This is not a cursor of an earlier answer."
            raise ValidationFailed(
                "One or more fields cannot be used.", errors=(FieldError("cursor", message),)
            ) from error
        query = query.where(tuple_(created_at, row_id) < (after.created_at, after.id))
    async with transaction() as db:
        known = await scales(db)
        rows = (await db.exec(query.order_by(created_at.desc(), row_id.desc()).limit(limit + 1))).all()
    shown = [view_of(row, known) for row in rows[:limit]]
    more = len(rows) > limit
    return shown, write_cursor(Position(shown[-1].created_at, shown[-1].id)) if more else None


async def on_hold(db: AsyncSession, user_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """Return how much of each user's money is on hold, in minor units by asset."""
    query = select(DebitRecord).where(
        col(DebitRecord.user_id).in_(user_ids), DebitRecord.status == DebitStatus.HELD.value
    )
    found: dict[str, dict[str, int]] = {}
    for row in await db.exec(query):
        of_user = found.setdefault(row.user_id, {})
        of_user[row.asset] = of_user.get(row.asset, 0) + row.left_minor
    return found


def view_of(row: DebitRecord, known: Mapping[str, int], *, as_made: bool = False) -> DebitView:
    """Return the view of a debit, as it is now or as it was when it was made.

    Args:
        row: the debit.
        known: the scale of each asset.
        as_made: return the view that answered the first request, for a repeat of that request.
    """
    posted, released, given_back = row.posted_minor, row.released_minor, row.reversed_minor
    status, changed_at = row.status, row.updated_at
    if as_made:
        posted, released, given_back = (0 if row.is_hold else row.amount_minor), 0, 0
        status = (DebitStatus.HELD if row.is_hold else DebitStatus.POSTED).value
        changed_at = row.created_at
    scale = known[row.asset]
    return DebitView(
        id=row.id,
        user_id=row.user_id,
        status=status,
        amount=amount_text(row.amount_minor, scale=scale),
        asset=row.asset,
        fiat_amount=None if row.fiat_amount is None else decimal_text(row.fiat_amount),
        fiat_currency=row.fiat_currency,
        rate=None if row.rate is None else decimal_text(row.rate),
        rate_as_of=row.rate_as_of,
        reference=row.reference,
        description=row.description,
        metadata=tuple(json.loads(row.metadata_json).items()) if row.metadata_json else (),
        posted_amount=amount_text(posted, scale=scale),
        held_amount=amount_text(row.amount_minor - posted - released, scale=scale),
        released_amount=amount_text(released, scale=scale),
        reversed_amount=amount_text(given_back, scale=scale),
        expires_at=row.expires_at,
        created_at=row.created_at,
        updated_at=changed_at,
    )
