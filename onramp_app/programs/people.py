"""The people of a program: whom it knows, by names of its own. Nobody else exists for it.

A program opens accounts and never learns of others. What it says is somebody's address is mailed a link and
nothing more: until the link is opened the address is not the account's. So one who signs up with the address,
or has an account with it already, shares none with somebody who gave it to a program (docs/security.md).
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import accounts, fields, links
from onramp_app.accounts.tables import User
from onramp_app.accounts.words import LinkPurpose
from onramp_app.db.engine import transaction
from onramp_app.domain.errors import FieldError, NotFound, RateLimited, Unauthenticated, ValidationFailed
from onramp_app.domain.ids import is_id
from onramp_app.domain.money import AmountUnreadable, amount_text, to_minor
from onramp_app.ledger import audit
from onramp_app.ledger.assets import scales
from onramp_app.mail.words import MailKind
from onramp_app.programs.records import note
from onramp_app.programs.tables import ProgramUser
from onramp_app.programs.views import Program, ProgramPerson
from onramp_app.programs.words import EXTERNAL_ID
from onramp_app.providers.errors import UnsupportedAsset
from onramp_app.throttle import throttle

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LowBalance:
    """Below which amount of which asset a program wants to hear of a balance (`balance.low`)."""

    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a program says of a person: its own name for them, and what the account begins with."""

    external_id: str
    email: str | None = None
    country: str | None = None
    display_currency: str | None = None
    balance_low: LowBalance | None = None


class _OpenedMeanwhile(Exception):
    """Another request opened the account of this name; what this one has written is rolled back."""


async def get(program: Program, user_id: str) -> ProgramPerson:
    """Return a person of the program. Raises as `require`."""
    async with transaction() as db:
        return _view(*await _known(db, program.id, user_id), await scales(db))


async def require(db: AsyncSession, program_id: str, user_id: str) -> None:
    """Check in the caller's transaction that the program knows a person.

    Raises:
        NotFound: there is no such account, or the program does not know it.
    """
    await _known(db, program_id, user_id)


async def note_low(program: Program, user_id: str, low: LowBalance | None) -> ProgramPerson:
    """Keep below which amount a program wants to hear of a person's balance; None: it does not.

    Raises:
        NotFound: as `require`.
        UnsupportedAsset: the books have no such asset.
        ValidationFailed: the amount cannot be written in the asset's minor units.
    """
    async with transaction() as db:
        known = await scales(db)
        asset, minor = _low_of(low, known)
        row, user = await _known(db, program.id, user_id)
        if (row.low_asset, row.low_minor) == (asset, minor):
            return _view(row, user, known)
        row.low_asset, row.low_minor = asset, minor
        note(db, program, "program_user.changed", subject=user_id, detail={"balance_low": minor is not None})
        return _view(row, user, known)


async def _known(db: AsyncSession, program_id: str, user_id: str) -> tuple[ProgramUser, User]:
    if is_id(user_id):
        query = (
            select(ProgramUser, User)
            .join(User, col(User.id) == col(ProgramUser.user_id))
            .where(ProgramUser.program_id == program_id, ProgramUser.user_id == user_id)
        )
        if found := (await db.exec(query)).first():
            return found
    raise NotFound("There is no such person of this program.")


def _low_of(low: LowBalance | None, known: Mapping[str, int]) -> tuple[str | None, int | None]:
    if low is None:
        return None, None
    if low.asset not in known:
        raise UnsupportedAsset(f"{low.asset} is no asset of this wallet.")
    try:
        minor = to_minor(low.amount, scale=known[low.asset])
    except AmountUnreadable as error:
        raise _unusable("balance_low.amount", f"{error}.") from None
    if not minor:
        raise _unusable("balance_low.amount", "Name an amount above zero: no balance is below zero.")
    return low.asset, minor


def _unusable(field: str, message: str) -> ValidationFailed:
    return ValidationFailed("One or more fields cannot be used.", errors=(FieldError(field, message),))


async def find(program: Program, external_id: str) -> ProgramPerson:
    """Return the person whom the program calls so. Raises `NotFound`."""
    async with transaction() as db:
        found, known = await _known_as(db, program.id, external_id), await scales(db)
    if found is None:
        raise NotFound("This program knows nobody by this name.")
    return _view(*found, known)


async def find_or_open(program: Program, given: Introduction) -> tuple[ProgramPerson, bool]:
    """Return the person whom the program calls so, and whether an account was opened for them just now.

    An opened account has no address and no password, and nobody can sign in to it. Where an address is given,
    a link by which its owner claims the account is mailed there, also later, unless somebody has claimed it
    or a link that works is on its way. What else is given counts for an account that is opened, and is
    ignored for one that is there.

    Raises:
        ValidationFailed: a field cannot be used.
        UnsupportedAsset: the books have no such asset as `balance_low` names.
        RateLimited: the program opened too many accounts.
    """
    if not EXTERNAL_ID.fullmatch(given.external_id):
        raise _unusable("external_id", "Use 1 to 128 visible ASCII characters.")
    cleaned = fields.clean(
        {"email": given.email, "country": given.country, "display_currency": given.display_currency}
    )
    email = cleaned.pop("email", None)
    async with transaction() as db:
        found, known = await _known_as(db, program.id, given.external_id), await scales(db)
    low = _low_of(given.balance_low, known)
    if found is None:
        await throttle.attempt(throttle.NEW_PEOPLE, program.id)
        mail_to = email if email and await _may_mail("address", _hashed(email)) else None
        with suppress(_OpenedMeanwhile):
            opened = await _open(program, given.external_id, cleaned, low=low, mail_to=mail_to)
            return _view(*opened, known), True
        return await find(program, given.external_id), False
    person = _view(*found, known)
    if email is not None and not person.is_claimed:
        await _mail_again(program, person, email)
    return person, False


async def _open(
    program: Program,
    external_id: str,
    cleaned: dict[str, str],
    *,
    low: tuple[str | None, int | None],
    mail_to: str | None,
) -> tuple[ProgramUser, User]:
    async with transaction() as db:
        user = await accounts.open_unclaimed(
            db, country=cleaned.get("country"), display_currency=cleaned.get("display_currency")
        )
        known = ProgramUser(
            program_id=program.id,
            external_id=external_id,
            user_id=user.id,
            created_at=user.created_at,
            low_asset=low[0],
            low_minor=low[1],
        )
        # The constraint decides between two at once; a look beforehand could not.
        statement = insert(ProgramUser).values(**known.model_dump())
        statement = statement.on_conflict_do_nothing(index_elements=["program_id", "external_id"])
        if (await db.exec(statement.returning(col(ProgramUser.user_id)))).first() is None:
            raise _OpenedMeanwhile
        note(db, program, audit.Act.ACCOUNT_CREATED, subject=user.id, detail={"claim_mailed": bool(mail_to)})
        if mail_to is not None:
            await _write_claim(db, program, user, mail_to)
    _log.info("account opened for a program", user_id=user.id, program_id=program.id)
    return known, user


async def _mail_again(program: Program, person: ProgramPerson, email: str) -> None:
    async with transaction() as db:
        if await links.is_on_its_way(db, person.user_id, LinkPurpose.CLAIM_ACCOUNT, email):
            return
    if not (await _may_mail("account", person.user_id) and await _may_mail("address", _hashed(email))):
        return
    async with transaction() as db:
        with suppress(Unauthenticated):  # closed meanwhile
            user = await accounts.lock_open(db, person.user_id)
            is_mailed = await links.is_on_its_way(db, user.id, LinkPurpose.CLAIM_ACCOUNT, email)
            if accounts.is_claimed(user) or is_mailed:
                return
            await links.end(db, user.id, LinkPurpose.CLAIM_ACCOUNT)
            await _write_claim(db, program, user, email)
            note(db, program, audit.Act.CLAIM_MAILED, subject=user.id)


async def _write_claim(db: AsyncSession, program: Program, user: User, email: str) -> None:
    details = {"program": program.name}
    await links.write_mail(
        db, user, MailKind.CLAIM_ACCOUNT, purpose=LinkPurpose.CLAIM_ACCOUNT, to=email, details=details
    )


async def _may_mail(*who: str) -> bool:
    # Silently, as with links to set a password: how often others wrote to an address is nobody's to know.
    try:
        await throttle.attempt(throttle.CLAIM, *who)
    except RateLimited:
        return False
    return True


def _hashed(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()


async def _known_as(db: AsyncSession, program_id: str, external_id: str) -> tuple[ProgramUser, User] | None:
    query = (
        select(ProgramUser, User)
        .join(User, col(User.id) == col(ProgramUser.user_id))
        .where(ProgramUser.program_id == program_id, ProgramUser.external_id == external_id)
    )
    return (await db.exec(query)).first()


def _view(row: ProgramUser, user: User, known: Mapping[str, int]) -> ProgramPerson:
    low = None
    if row.low_asset is not None and row.low_minor is not None:
        low = (amount_text(row.low_minor, scale=known[row.low_asset]), row.low_asset)
    return ProgramPerson(
        user_id=user.id,
        external_id=row.external_id,
        country=user.country,
        display_currency=user.display_currency,
        is_claimed=accounts.is_claimed(user),
        created_at=row.created_at,
        balance_low=low,
    )
