"""Add-money links as programs handle them: make one for a person of theirs, revoke it.

Each has a line in the audit log by the key. A link moves no money: what is begun by it is a top-up like any
other, with the same limits, and goes to the account of the person that the program named.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.db.moments import moment, moment_of
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import FieldError, NotFound, ValidationFailed
from onramp_app.domain.ids import new_id
from onramp_app.domain.money import decimal_text
from onramp_app.links import sessions
from onramp_app.links.errors import LinkReferenceUsed
from onramp_app.links.returns import check_return_url, is_allowed
from onramp_app.links.tables import AddMoneyLink
from onramp_app.links.tokens import hash_of, keys_of
from onramp_app.links.views import LinkView, find, view_of
from onramp_app.links.words import DEFAULT_LIFE
from onramp_app.pricing.bounds import AmountFault, bounds_of, fault_of
from onramp_app.pricing.catalogue import get_options
from onramp_app.programs import people, records
from onramp_app.programs.views import Program
from onramp_app.providers.connection import ADAPTER
from onramp_app.providers.errors import (
    AmountOutOfLimits,
    ProviderUnavailable,
    UnsupportedAsset,
    UnsupportedCurrency,
)
from onramp_app.throttle import throttle
from onramp_app.top_ups.errors import AccountFrozen

_MAX_ORIGINS = 50  # as many as the setting may name
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WantedLink:
    """What a program asks for. What is None is up to the person; `fiat_amount` needs a `fiat_currency`."""

    user_id: str
    fiat_currency: str | None = None
    fiat_amount: Decimal | None = None
    asset: str | None = None
    return_url: str | None = None
    reference: str | None = None
    life: timedelta = DEFAULT_LIFE

    @property
    def input_hash(self) -> bytes:
        """Return the sha256 of all that was asked for; 5 and 5.00 are the same amount."""
        parts = (
            self.user_id,
            self.fiat_currency,
            None if self.fiat_amount is None else decimal_text(self.fiat_amount),
            self.asset,
            self.return_url,
            int(self.life.total_seconds()),
        )
        return hashlib.sha256(json.dumps(parts).encode()).digest()


async def create(program: Program, wanted: WantedLink) -> tuple[LinkView, bool]:
    """Make a link, once under the program's reference where it names one.

    Returns the link as it is now, and whether it is new.

    Raises:
        NotFound: the program does not know such a person, or they have closed their account.
        AccountFrozen: an operator froze the account.
        LinkReferenceUsed: the reference was used with other content.
        ValidationFailed: the amount or the address to return to cannot be used.
        UnsupportedCurrency, UnsupportedAsset, AmountOutOfLimits: nobody could pay like this.
        RateLimited: the program made too many.
        DatabaseUnavailable: nobody knows whether it was made; the same reference again tells.
    """
    if wanted.return_url is not None:
        check_return_url(wanted.return_url)
    async with transaction() as db:
        if (known := await _known(db, program.id, wanted)) is not None:
            return known, False
    await throttle.attempt(throttle.NEW_LINKS, program.id)
    await _check_payable(wanted)
    async with transaction() as db:
        await people.require(db, program.id, wanted.user_id)
        await _require_usable(db, wanted.user_id)
        link_id = await _insert(db, program.id, wanted)
        if link_id is None:  # Another request with this reference was committed in between.
            known = await _known(db, program.id, wanted)
            if known is None:
                raise AssertionError("a link with a reference is never deleted while it is asked for")
            return known, False
        records.note(db, program, "link.created", subject=link_id)
        view = await view_of(db, await find(db, program.id, link_id))
    _log.info("add-money link made", link_id=link_id, program_id=program.id)
    return view, True


async def revoke(program: Program, link_id: str) -> None:
    """Let a link work no longer, and end the sessions of the browsers that opened it. Repeats change nothing.

    A top-up that was begun by it goes on: what was paid is credited.

    Raises:
        NotFound: the program has no such link.
    """
    async with transaction() as db:
        found = await find(db, program.id, link_id, lock=True)
        if found.link.revoked_at is not None:
            return
        found.link.revoked_at = await moment_of(db)
        await db.flush()
        await sessions.end_all(db, [found.link.id])
        records.note(db, program, "link.revoked", subject=found.link.id)


async def origins_not_returned_to() -> list[str]:
    """Return the origins to which links that work lead back, and which `RETURN_ORIGINS` does not name.

    Raises:
        DatabaseUnavailable: they could not be read.
    """
    works = (
        col(AddMoneyLink.return_url).is_not(None),
        col(AddMoneyLink.revoked_at).is_(None),
        col(AddMoneyLink.expires_at) > moment(),
    )
    # Up to the path: an address has an origin and one of these after it, or nothing.
    origin = func.substring(AddMoneyLink.return_url, "^[^/]+//[^/?]+")
    async with transaction() as db:
        found = (await db.exec(select(origin).where(*works).distinct().limit(_MAX_ORIGINS))).all()
    return sorted(origin for origin in found if not is_allowed(origin))


async def _known(db: AsyncSession, program_id: str, wanted: WantedLink) -> LinkView | None:
    if wanted.reference is None:
        return None
    query = select(AddMoneyLink.id, AddMoneyLink.input_hash).where(
        AddMoneyLink.environment == current_environment().value,
        AddMoneyLink.program_id == program_id,
        AddMoneyLink.reference == wanted.reference,
    )
    found = (await db.exec(query)).first()
    if found is None:
        return None
    link_id, input_hash = found
    if input_hash != wanted.input_hash:
        raise LinkReferenceUsed("This reference came before, with other content.")
    return await view_of(db, await find(db, program_id, link_id))


async def _check_payable(wanted: WantedLink) -> None:
    """Refuse what nobody could pay. What the provider closes for a while is told to the person who pays."""
    if wanted.asset is not None and wanted.asset not in get_settings().assets:
        raise UnsupportedAsset("This asset is not offered here.")
    if wanted.fiat_currency is None:
        return
    rows = [row for row in ADAPTER.fiat_types.values() if row.currency == wanted.fiat_currency]
    if not rows:
        raise UnsupportedCurrency("This currency is not supported.")
    if wanted.fiat_amount is None:
        return
    try:
        catalogue = await get_options().catalogue()
        row = catalogue.fiat_type(wanted.fiat_currency, None)
        bounds = bounds_of(catalogue.limits.get(row.fiat_type))
    except ProviderUnavailable:  # Links can be made meanwhile: the amount is checked again when it is paid.
        row, bounds = rows[0], bounds_of(None)
    match fault_of(wanted.fiat_amount, decimals=row.decimals, bounds=bounds):
        case None:
            return
        case AmountFault.TOO_LITTLE | AmountFault.TOO_MUCH:
            known = {"min": bounds.min, "max": bounds.max}
            raise AmountOutOfLimits(
                "The amount is outside what can be added at once.",
                extra={name: decimal_text(value) for name, value in known.items() if value is not None},
            )
        case _:
            message = f"Use an amount above zero, with {row.decimals} decimals at most."
            raise ValidationFailed(
                "One or more fields cannot be used.", errors=(FieldError("fiat_amount", message),)
            )


async def _require_usable(db: AsyncSession, user_id: str) -> None:
    person = await db.get_one(User, user_id)
    if person.closed_at is not None:
        raise NotFound("The owner has closed this account.")
    if person.frozen_at is not None:
        raise AccountFrozen("The account is frozen, so nothing can be added to it.")


async def _insert(db: AsyncSession, program_id: str, wanted: WantedLink) -> str | None:
    at, link_id = await moment_of(db), new_id()
    keys = keys_of(link_id)
    if keys is None:
        raise AssertionError("there is always a key to sign with")
    row = {
        "id": link_id,
        "environment": current_environment().value,
        "program_id": program_id,
        "user_id": wanted.user_id,
        "reference": wanted.reference,
        "input_hash": wanted.input_hash,
        "token_hash": hash_of(keys.token),
        "fiat_currency": wanted.fiat_currency,
        "fiat_amount": wanted.fiat_amount,
        "asset": wanted.asset,
        "return_url": wanted.return_url,
        "created_at": at,
        "expires_at": at + wanted.life,
    }
    # Waits for another transaction that has just written the same reference.
    made = insert(AddMoneyLink).values(row).on_conflict_do_nothing().returning(col(AddMoneyLink.id))
    found = (await db.exec(made)).first()
    return None if found is None else str(found[0])
