"""The people of a program: whom it knows, by names of its own. Nobody else exists for it.

A program opens accounts and never learns of others. What it says is somebody's address is mailed a link and
nothing more: until the link is opened the address is not the account's. So one who signs up with the address,
or has an account with it already, shares none with somebody who gave it to a program (docs/security.md).
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass

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
from onramp_app.ledger import audit
from onramp_app.mail.words import MailKind
from onramp_app.programs.records import note
from onramp_app.programs.tables import ProgramUser
from onramp_app.programs.views import Program, ProgramPerson
from onramp_app.programs.words import EXTERNAL_ID
from onramp_app.throttle import throttle

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a program says of a person: its own name for them, and what the account begins with."""

    external_id: str
    email: str | None = None
    country: str | None = None
    display_currency: str | None = None


class _OpenedMeanwhile(Exception):
    """Another request opened the account of this name; what this one has written is rolled back."""


async def get(program: Program, user_id: str) -> ProgramPerson:
    """Return a person of the program. Raises as `require`."""
    async with transaction() as db:
        return await require(db, program.id, user_id)


async def require(db: AsyncSession, program_id: str, user_id: str) -> ProgramPerson:
    """Return a person of the program, in the caller's transaction.

    Raises:
        NotFound: there is no such account, or the program does not know it.
    """
    if is_id(user_id):
        query = (
            select(ProgramUser, User)
            .join(User, col(User.id) == col(ProgramUser.user_id))
            .where(ProgramUser.program_id == program_id, ProgramUser.user_id == user_id)
        )
        if found := (await db.exec(query)).first():
            return _view(*found)
    raise NotFound("There is no such person of this program.")


async def find(program: Program, external_id: str) -> ProgramPerson:
    """Return the person whom the program calls so. Raises `NotFound`."""
    async with transaction() as db:
        found = await _known_as(db, program.id, external_id)
    if found is None:
        raise NotFound("This program knows nobody by this name.")
    return _view(*found)


async def find_or_open(program: Program, given: Introduction) -> tuple[ProgramPerson, bool]:
    """Return the person whom the program calls so, and whether an account was opened for them just now.

    An opened account has no address and no password, and nobody can sign in to it. Where an address is given,
    a link by which its owner claims the account is mailed there, also later, unless somebody has claimed it
    or a link that works is on its way. What else is given counts for an account that is opened, and is
    ignored for one that is there.

    Raises:
        ValidationFailed: a field cannot be used.
        RateLimited: the program opened too many accounts.
    """
    if not EXTERNAL_ID.fullmatch(given.external_id):
        message = "Use 1 to 128 visible ASCII characters."
        raise ValidationFailed("The name cannot be used.", errors=(FieldError("external_id", message),))
    cleaned = fields.clean(
        {"email": given.email, "country": given.country, "display_currency": given.display_currency}
    )
    email = cleaned.pop("email", None)
    async with transaction() as db:
        found = await _known_as(db, program.id, given.external_id)
    if found is None:
        await throttle.attempt(throttle.NEW_PEOPLE, program.id)
        mail_to = email if email and await _may_mail("address", _hashed(email)) else None
        with suppress(_OpenedMeanwhile):
            return await _open(program, given.external_id, cleaned, mail_to=mail_to), True
        return await find(program, given.external_id), False
    person = _view(*found)
    if email is not None and not person.is_claimed:
        await _mail_again(program, person, email)
    return person, False


async def _open(
    program: Program, external_id: str, cleaned: dict[str, str], *, mail_to: str | None
) -> ProgramPerson:
    async with transaction() as db:
        user = await accounts.open_unclaimed(
            db, country=cleaned.get("country"), display_currency=cleaned.get("display_currency")
        )
        known = ProgramUser(
            program_id=program.id, external_id=external_id, user_id=user.id, created_at=user.created_at
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
    return _view(known, user)


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


def _view(known: ProgramUser, user: User) -> ProgramPerson:
    return ProgramPerson(
        user_id=user.id,
        external_id=known.external_id,
        country=user.country,
        display_currency=user.display_currency,
        is_claimed=accounts.is_claimed(user),
        created_at=known.created_at,
    )
