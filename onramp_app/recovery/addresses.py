"""The email address of an account: confirmed by a mailed link, and changed by one to the new address."""

import hashlib
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import accounts, devices, fields, links
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import User
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import LinkPurpose
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import EmailTaken, FieldError, RateLimited, ValidationFailed
from onramp_app.domain.networks import network_of
from onramp_app.factors import factors
from onramp_app.ledger import audit
from onramp_app.mail.words import MailKind
from onramp_app.throttle import throttle

_TAKEN = "An account with this email exists."
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LinkView:
    """What a link that still works is for (`LinkPurpose`), and the address that it was mailed to."""

    purpose: str
    email: str


async def look(secret: object, client: Client) -> LinkView | None:
    """Return what a link is for, or None where it no longer works. Nothing is used up.

    Raises:
        RateLimited: too many links from this network.
    """
    await throttle.attempt(throttle.LINK, network_of(client.address))
    async with transaction() as db:
        found = await links.find(db, secret, *LinkPurpose)
    return LinkView(found[0].purpose, found[0].email) if found else None


async def send_confirmation(viewer: Viewer) -> None:
    """Mail the link that confirms the viewer's address once more. Earlier ones work no longer.

    Raises:
        RateLimited: it was mailed often enough.
    """
    await throttle.attempt(throttle.CONFIRMATION, viewer.user_id)
    async with transaction() as db:
        user = await accounts.lock_open(db, viewer.user_id)
        if user.email_confirmed_at is not None:
            return
        await links.end(db, user.id, LinkPurpose.CONFIRM_EMAIL)
        await links.write_mail(db, user, MailKind.CONFIRM_EMAIL, purpose=LinkPurpose.CONFIRM_EMAIL)


async def change(viewer: Viewer, new_email: str, current_password: str, *, code: str = "") -> None:
    """Mail a link to a new address; once that is opened, the account belongs to it.

    More than five links an hour to one address, from all accounts together, are not mailed, silently.

    Raises:
        InvalidCredentials: the current password or the code is wrong.
        OtpRequired: the account has a second factor, and the code is missing.
        ValidationFailed: the new address cannot be used, or is the present one.
        EmailTaken: the new address belongs to another account.
        Unauthenticated: the account no longer exists.
        RateLimited: too many guesses of the password, or too many changes today.
    """
    await accounts.require_password(viewer, current_password)
    await throttle.attempt(throttle.CHANGE_EMAIL, viewer.user_id)
    if code:
        await factors.count_guess(viewer.user_id, factors.in_session(viewer.session_id))
    try:
        email = fields.clean_email(new_email)
    except ValueError as error:
        raise ValidationFailed(
            "The address cannot be used.", errors=(FieldError("new_email", str(error)),)
        ) from None
    async with transaction() as db:
        user = await accounts.lock_open(db, viewer.user_id)
        await factors.demand(db, user.id, code)
        if email == user.email:
            raise ValidationFailed(
                "The address cannot be used.",
                errors=(FieldError("new_email", "This is your address already."),),
            )
        taken = (await db.exec(select(User.id).where(User.email == email))).first() is not None
        if taken or await links.is_kept_for_another(db, email, user.id):
            raise EmailTaken(_TAKEN)
        if await _may_be_written_to(email):
            await links.end(db, user.id, LinkPurpose.CHANGE_EMAIL)
            await links.write_mail(
                db, user, MailKind.CONFIRM_NEW_EMAIL, purpose=LinkPurpose.CHANGE_EMAIL, to=email
            )
    if code:
        await factors.guessed_right(viewer.user_id, factors.in_session(viewer.session_id))


async def _may_be_written_to(email: str) -> bool:
    # Silently, as with links to set a password: how often others wrote to an address is nobody's to know.
    try:
        await throttle.attempt(throttle.CHANGE_EMAIL_TO, hashlib.sha256(email.encode()).hexdigest())
    except RateLimited:
        return False
    return True


async def confirm(secret: str, client: Client) -> None:
    """Confirm an address by the link that was mailed to it: the account's own, or the one to change to.

    Raises:
        ValidationFailed: the link no longer works.
        EmailTaken: the new address belongs to another account by now.
        RateLimited: too many links from this network.
    """
    await throttle.attempt(throttle.LINK, network_of(client.address))
    async with transaction() as db:
        link, user = await links.take(db, secret, LinkPurpose.CONFIRM_EMAIL, LinkPurpose.CHANGE_EMAIL)
        if link.purpose == LinkPurpose.CHANGE_EMAIL.value:
            await _move_to(db, user, link.email, client)
            return
        if link.email != user.email:
            raise links.unusable()
        user.email_confirmed_at = user.email_confirmed_at or clock.now()
        write_audit(db, user, audit.Act.EMAIL_CONFIRMED, client)
    _log.info("address confirmed", user_id=user.id)


async def _move_to(db: AsyncSession, user: User, email: str, client: Client) -> None:
    old, was_confirmed = user.email, user.email_confirmed_at is not None
    await write_email(db, user, email)
    await links.end(
        db, user.id, LinkPurpose.CONFIRM_EMAIL, LinkPurpose.CHANGE_EMAIL, LinkPurpose.RESET_PASSWORD
    )
    write_audit(db, user, audit.Act.EMAIL_CHANGED, client)
    # An address that nobody confirmed may be a stranger's, mistyped: no link to this account goes there.
    if was_confirmed:
        details = {**links.done_by(client), "new_address": masked(email)}
        await links.write_mail(
            db, user, MailKind.EMAIL_CHANGED, purpose=LinkPurpose.UNDO_EMAIL, to=old, details=details
        )
    _log.info("address changed", user_id=user.id)


async def write_email(db: AsyncSession, user: User, email: str) -> None:
    """Give an account, which is locked, an address that was proved to be its owner's.

    Raises:
        EmailTaken: another account has it, or may still take it back. The transaction cannot go on.
    """
    now = clock.now()
    user.email, user.email_confirmed_at, user.updated_at = email, now, now
    try:
        await db.flush()
    except IntegrityError as error:
        raise EmailTaken(_TAKEN) from error
    if await links.is_kept_for_another(db, email, user.id):
        raise EmailTaken(_TAKEN)


def write_audit(db: AsyncSession, user: User, act: audit.Act, client: Client, **detail: object) -> None:
    """Add a line to the audit log. No address stands in it: its lines stay for good."""
    audit.write(
        db,
        act,
        actor=user.id,
        subject=user.id,
        at=clock.now(),
        detail={"device": devices.kept_words(client.user_agent), **detail},
        address=client.address,
    )


def masked(email: str) -> str:
    """Return an address for a reader who may not be its owner: `a•••@example.com`."""
    name, _, domain = email.rpartition("@")
    return f"{name[:1]}•••@{domain}"
