"""Accounts: registering, the profile, the password, and what operators do to accounts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import fields, links, passwords, sessions
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import CLOSED_PREFIX, UNCLAIMED_PREFIX, User
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import (
    DEFAULT_CURRENCY,
    LANGUAGES,
    EndReason,
    LinkPurpose,
    Role,
    currency_of_country,
)
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import EmailTaken, FieldError, InvalidCredentials, Unauthenticated
from onramp_app.domain.ids import new_id
from onramp_app.domain.networks import network_of
from onramp_app.factors import factors
from onramp_app.ledger import audit
from onramp_app.mail.words import NOWHERE, Choice, MailKind
from onramp_app.throttle import throttle

Opened = TypeVar("Opened")
# `sessions.open_browser` or `program_sessions.open_program`: runs in the transaction of the sign-in.
OpenSession = Callable[[AsyncSession, User, Client], Awaitable[Opened]]

_NOBODY = "Closed account"  # what operators read instead of a name
_UNCLAIMED = "Unclaimed account"
_TAKEN = "An account with this email exists. Sign in instead."
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Registration:
    """What a person gives to open an account, as typed."""

    email: str
    password: str = field(repr=False)
    display_name: str | None = None
    country: str | None = None
    display_currency: str | None = None


@dataclass(frozen=True, slots=True)
class ProfileChanges:
    """The fields of a profile to change; None leaves a field unchanged."""

    display_name: str | None = None
    country: str | None = None
    display_currency: str | None = None
    language: str | None = None


def _personal_words(email: str, display_name: str) -> tuple[str, ...]:
    return email, email.split("@", maxsplit=1)[0], *display_name.split(), get_settings().app_name


async def _new_user(registration: Registration, role: Role) -> User:
    given = fields.clean(
        {
            "email": registration.email,
            "display_name": registration.display_name,
            "country": registration.country,
            "display_currency": registration.display_currency,
        }
    )
    email = given["email"]
    name = given.get("display_name") or email.split("@")[0]
    personal = _personal_words(email, name)
    await passwords.check_new_password(registration.password, field="password", personal=personal)
    now = clock.now()
    return User(
        id=new_id(),
        email=email,
        password_hash=await passwords.hash_password(registration.password),
        display_name=name,
        country=given.get("country"),
        display_currency=given.get("display_currency") or currency_of_country(given.get("country")),
        language=LANGUAGES[0],
        role=role.value,
        created_at=now,
        updated_at=now,
    )


async def _insert(db: AsyncSession, user: User) -> None:
    # Two at once with the same email: the unique constraint decides, not a look beforehand.
    statement = insert(User).values(**user.model_dump()).on_conflict_do_nothing(index_elements=["email"])
    if not (await db.exec(statement.returning(col(User.id)))).first():
        raise EmailTaken(_TAKEN)
    if await links.is_kept_for_another(db, user.email, user.id):
        raise EmailTaken(_TAKEN)
    _log.info("account opened", user_id=user.id, role=user.role)


async def register(registration: Registration, client: Client, open_session: OpenSession[Opened]) -> Opened:
    """Open an account and its first session.

    Raises:
        RateLimited: too many accounts from this address.
        ValidationFailed: a field cannot be used, or the password is weak.
        EmailTaken: there is an account with this email.
    """
    await throttle.attempt(throttle.REGISTER, network_of(client.address))
    user = await _new_user(registration, Role.USER)
    async with transaction() as db:
        await _insert(db, user)
        await links.write_mail(db, user, MailKind.CONFIRM_EMAIL, purpose=LinkPurpose.CONFIRM_EMAIL)
        return await open_session(db, user, client)


async def open_unclaimed(db: AsyncSession, *, country: str | None, display_currency: str | None) -> User:
    """Open an account without address and password, in the caller's transaction: nobody can sign in to it.

    Args:
        db: the transaction.
        country: as `fields.clean` returns it.
        display_currency: as well; by default that of the country.
    """
    user_id, now = new_id(), clock.now()
    user = User(
        id=user_id,
        email=_unclaimed_email(user_id),
        password_hash=passwords.useless_hash(),
        display_name=_UNCLAIMED,
        country=country,
        display_currency=display_currency or currency_of_country(country),
        language=LANGUAGES[0],
        created_at=now,
        updated_at=now,
    )
    db.add(user)
    await db.flush()
    return user


def is_claimed(user: User) -> bool:
    """Return whether an account has an owner who proved an address; others were opened by programs."""
    return user.email != _unclaimed_email(user.id)


def _unclaimed_email(user_id: str) -> str:
    return f"{UNCLAIMED_PREFIX}{user_id}{NOWHERE}"


async def lock_open(db: AsyncSession, user_id: str) -> User:
    """Return an account, locked until the transaction ends.

    Raises:
        Unauthenticated: there is no such account, or its owner has closed it.
    """
    query = select(User).where(User.id == user_id).with_for_update()
    user = (await db.exec(query.execution_options(populate_existing=True))).first()
    if user is None or user.closed_at is not None:
        raise Unauthenticated("The account no longer exists.")
    return user


async def update_profile(viewer: Viewer, changes: ProfileChanges) -> Viewer:
    """Change the given fields of the viewer's profile and return it as it is now.

    Raises:
        ValidationFailed: a field cannot be used; nothing was changed.
    """
    given = fields.clean(
        {
            "display_name": changes.display_name,
            "country": changes.country,
            "display_currency": changes.display_currency,
            "language": changes.language,
        }
    )
    async with transaction() as db:
        user = await lock_open(db, viewer.user_id)
        if given:
            user.sqlmodel_update({**given, "updated_at": clock.now()})
    return sessions.viewer_of(user, viewer.session_id)


async def wanted_mails(viewer: Viewer) -> frozenset[Choice]:
    """Return which notices the viewer gets by mail. Mails about security are not among them."""
    async with transaction() as db:
        muted = (await db.exec(select(User.muted_mails).where(User.id == viewer.user_id))).first()
    return frozenset(Choice) - frozenset(map(Choice, muted or ()))


async def choose_mails(viewer: Viewer, wanted: frozenset[Choice]) -> None:
    """Set which notices the viewer gets by mail from now on."""
    muted = sorted(frozenset(Choice) - wanted)
    async with transaction() as db:
        await db.exec(
            update(User)
            .where(col(User.id) == viewer.user_id, col(User.closed_at).is_(None))
            .values(muted_mails=[choice.value for choice in muted], updated_at=clock.now())
        )


async def require_password(viewer: Viewer, current_password: str) -> str:
    """Demand the viewer's password once more, and return its hash as it was when it was compared.

    A right password is no guess, whatever becomes of what it was shown for.

    Raises:
        InvalidCredentials: the password is wrong.
        RateLimited: it was wrong too often.
    """
    # By session: a thief who guesses in a stolen one does not keep the owner from changing the password.
    await throttle.attempt_guess(throttle.PASSWORD, viewer.session_id)
    async with transaction() as db:
        password_hash = (await db.exec(select(User.password_hash).where(User.id == viewer.user_id))).first()
    is_right, _ = await passwords.verify_password(current_password, password_hash)
    if not is_right or password_hash is None:
        raise _wrong_password()
    await throttle.guessed_right(throttle.PASSWORD, viewer.session_id)
    return password_hash


async def require_recent_factor(viewer: Viewer) -> None:
    """Demand that a viewer with a second factor has shown it lately; the others show their password.

    Raises:
        RecentSignInRequired: the second factor was shown too long ago.
        Unauthenticated: the session has ended.
    """
    async with transaction() as db:
        if await factors.has_factor(db, viewer.user_id):
            await sessions.require_recent_proof(db, viewer)


def _wrong_password() -> InvalidCredentials:
    return InvalidCredentials(
        "The current password is wrong.", errors=(FieldError("current_password", "This password is wrong."),)
    )


async def change_password(
    viewer: Viewer, current_password: str, *, new_password: str, address: str = ""
) -> None:
    """Replace the password and end all other sessions of the account; the audit log keeps `address`.

    Raises:
        InvalidCredentials: the current password is wrong.
        RecentSignInRequired: the account has a second factor, which was shown too long ago.
        RateLimited: the current password was wrong too often, or was changed too often today.
        ValidationFailed: the new password is weak.
    """
    await require_recent_factor(viewer)
    password_hash = await require_password(viewer, current_password)
    await throttle.attempt(throttle.CHANGE_PASSWORD, viewer.user_id)
    personal = (
        viewer.email,
        viewer.email.split("@")[0],
        *viewer.display_name.split(),
        get_settings().app_name,
    )
    await passwords.check_new_password(new_password, field="new_password", personal=personal)
    new_hash = await passwords.hash_password(new_password)
    async with transaction() as db:
        changed = await db.exec(
            update(User)
            .where(col(User.id) == viewer.user_id, col(User.password_hash) == password_hash)
            .values(password_hash=new_hash, updated_at=clock.now())
        )
        if not changed.rowcount:
            raise _wrong_password()
        ended = await sessions.end_other_sessions(db, viewer, EndReason.PASSWORD_CHANGED)
        # A thief of the old password may have begun to move the account to an address of theirs.
        await links.end(db, viewer.user_id, LinkPurpose.CHANGE_EMAIL, LinkPurpose.RESET_PASSWORD)
        audit.write(
            db,
            audit.Act.PASSWORD_CHANGED,
            actor=viewer.user_id,
            subject=viewer.user_id,
            at=clock.now(),
            detail={"session_id": viewer.session_id, "sessions_ended": ended},
            address=address,
        )
        user = (await db.exec(select(User).where(User.id == viewer.user_id))).one()
        await links.write_notice(db, user, MailKind.PASSWORD_CHANGED, client=Client(address))
    _log.info("password changed", user_id=viewer.user_id)


async def sign_out_elsewhere(viewer: Viewer, *, address: str) -> int:
    """End all other sessions of the viewer's account. Returns how many; the audit log keeps `address`."""
    async with transaction() as db:
        ended = await sessions.end_other_sessions(db, viewer, EndReason.ENDED_BY_USER)
        await _note_ended(db, viewer, ended, address=address)
    return ended


async def sign_out_everywhere(viewer: Viewer, *, address: str) -> int:
    """End all sessions of the viewer's account, the viewer's own too. Otherwise as `sign_out_elsewhere`."""
    async with transaction() as db:
        ended = await sessions.end_all_sessions(db, viewer.user_id, EndReason.ENDED_BY_USER)
        await _note_ended(db, viewer, ended, address=address)
    return ended


async def _note_ended(db: AsyncSession, viewer: Viewer, ended: int, *, address: str) -> None:
    if ended:
        await audit.write_own(
            db,
            audit.Act.SESSION_ENDED,
            actor=viewer.user_id,
            user_id=viewer.user_id,
            at=clock.now(),
            detail={"session_id": viewer.session_id, "sessions_ended": ended},
            address=address,
        )


async def pseudonymise(db: AsyncSession, user: User) -> None:
    """Take everything from an account, which is locked, that says whose it is or lets somebody in.

    The row and its id stay: the books name the account by it. Its address is free for somebody else.
    """
    await sessions.forget_sessions(db, user.id)
    await links.forget(db, user.id)
    now = clock.now()
    user.email = f"{CLOSED_PREFIX}{user.id}{NOWHERE}"
    user.display_name, user.country, user.email_confirmed_at = _NOBODY, None, None
    user.display_currency, user.language = DEFAULT_CURRENCY, LANGUAGES[0]
    user.password_hash, user.muted_mails = passwords.useless_hash(), []
    user.closed_at = user.updated_at = now
    await db.flush()


async def create_user(registration: Registration) -> str:
    """Open an account without a session, for a command. Returns the account's id.

    Raises:
        ValidationFailed: a field cannot be used, or the password is weak.
        EmailTaken: there is an account with this email.
    """
    user = await _new_user(registration, Role.USER)
    async with transaction() as db:
        await _insert(db, user)
        await links.write_mail(db, user, MailKind.CONFIRM_EMAIL, purpose=LinkPurpose.CONFIRM_EMAIL)
        audit.write(
            db,
            audit.Act.ACCOUNT_CREATED,
            actor=audit.COMMAND,
            subject=user.id,
            at=user.created_at,
            detail={"role": user.role},
            address=audit.this_machine(),
        )
    return user.id
