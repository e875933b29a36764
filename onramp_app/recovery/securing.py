"""What an owner does who did not do something: take the account back from the one who did.

Both ways make the password useless, end all sessions and mail a link to set a new password to the address
that the owner has proved to read. They are opened from mails, without a session.
"""

import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import links, passwords, sessions
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import AccountLink, User
from onramp_app.accounts.words import EndReason, LinkPurpose
from onramp_app.db.engine import transaction
from onramp_app.db.moments import moment
from onramp_app.domain import clock
from onramp_app.domain.networks import network_of
from onramp_app.ledger import audit
from onramp_app.mail.words import MailKind
from onramp_app.recovery.addresses import masked, write_audit, write_email
from onramp_app.recovery.requests import mail_reset
from onramp_app.throttle import throttle

_log = structlog.get_logger(__name__)


async def secure(secret: str, client: Client) -> None:
    """Take the account back by the link "This wasn't me" of a mail about its security.

    Where the address was changed after that mail, the change is undone too.

    Raises:
        ValidationFailed: the link no longer works.
        RateLimited: too many links from this network.
    """
    await throttle.attempt(throttle.LINK, network_of(client.address))
    useless = passwords.useless_hash()
    async with transaction() as db:
        link, user = await links.take(db, secret, LinkPurpose.NOT_ME)
        if link.email != user.email:
            undo = await _undo_to(db, user, link.email)
            if undo is None:
                raise links.unusable()
            await _take_back(db, user, undo, client)
        write_audit(db, user, audit.Act.SECURED, client)
        await _lock_out(db, user, useless, client)
    _log.warning("account secured by its owner", user_id=user.id)


async def undo_change(secret: str, client: Client) -> None:
    """Give the account its earlier address back, by the link that was mailed there when it was changed.

    Raises:
        ValidationFailed: the link no longer works.
        EmailTaken: the earlier address belongs to another account.
        RateLimited: too many links from this network.
    """
    await throttle.attempt(throttle.LINK, network_of(client.address))
    useless = passwords.useless_hash()
    async with transaction() as db:
        link, user = await links.take(db, secret, LinkPurpose.UNDO_EMAIL)
        await _take_back(db, user, link, client)
        await _lock_out(db, user, useless, client)
    _log.warning("change of an address undone", user_id=user.id)


async def _undo_to(db: AsyncSession, user: User, email: str) -> AccountLink | None:
    query = select(AccountLink).where(
        AccountLink.user_id == user.id,
        AccountLink.purpose == LinkPurpose.UNDO_EMAIL.value,
        AccountLink.email == email,
        col(AccountLink.ended_at).is_(None),
        col(AccountLink.expires_at) > moment(),
    )
    return (await db.exec(query.order_by(col(AccountLink.created_at)).limit(1))).first()


async def _take_back(db: AsyncSession, user: User, undo: AccountLink, client: Client) -> None:
    lost = user.email
    # What was mailed to the person who had the account meanwhile works no longer; an earlier undo still does.
    await links.end(db, user.id, LinkPurpose.UNDO_EMAIL, since=undo.created_at)
    await write_email(db, user, undo.email)
    write_audit(db, user, audit.Act.EMAIL_CHANGE_UNDONE, client)
    if lost != user.email:
        details = {**links.done_by(client), "old_address": masked(user.email)}
        event = undo.secret_hash.hex()
        await links.write_mail(db, user, MailKind.EMAIL_CHANGE_UNDONE, to=lost, details=details, event=event)


async def _lock_out(db: AsyncSession, user: User, useless: str, client: Client) -> None:
    user.password_hash, user.updated_at = useless, clock.now()
    await sessions.end_all_sessions(db, user.id, EndReason.PASSWORD_CHANGED)
    await links.end(db, user.id, LinkPurpose.CONFIRM_EMAIL, LinkPurpose.CHANGE_EMAIL, LinkPurpose.NOT_ME)
    await mail_reset(db, user, client=client)
