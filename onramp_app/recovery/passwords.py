"""Setting a password by a mailed link: a new one, or the first of an account that a program opened."""

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import accounts, devices, links, passwords, sessions
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import User
from onramp_app.accounts.words import EndReason, LinkPurpose
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.networks import network_of
from onramp_app.factors import factors, resets
from onramp_app.ledger import audit
from onramp_app.mail.words import MailKind
from onramp_app.recovery.addresses import write_audit, write_email
from onramp_app.sign_in import sign_in
from onramp_app.throttle import throttle

_PURPOSES = (LinkPurpose.RESET_PASSWORD, LinkPurpose.CLAIM_ACCOUNT)
_log = structlog.get_logger(__name__)


async def reset(secret: str, new_password: str, client: Client, *, code: str = "") -> None:
    """Set a new password by a mailed link, and end all sessions of the account.

    Who opens the link has the mailbox, so its address counts as confirmed. Where it never was before, a
    stranger may have registered with it: the second factors of such an account are removed. The link of an
    account that nobody has claimed yet gives it this address.

    Raises:
        ValidationFailed: the link no longer works (field `token`), or the password is weak (`new_password`),
            which leaves the link as it is.
        OtpRequired: the account has a second factor, and the code is missing. The link still works.
        WrongCode: the code is wrong. The link still works.
        EmailTaken: the address of the account to claim belongs to another account, or may be taken back by
            one. The link still works.
        RateLimited: too many links from this network, or too many wrong codes for this account.
        DatabaseUnavailable: nothing was changed.
    """
    await throttle.attempt(throttle.LINK, network_of(client.address))
    async with transaction() as db:
        found = await links.find(db, secret, *_PURPOSES)
    if found is None:
        raise links.unusable()
    mailed, owner = found
    personal = (
        mailed.email,
        mailed.email.split("@")[0],
        *owner.display_name.split(),
        get_settings().app_name,
    )
    await passwords.check_new_password(new_password, field="new_password", personal=personal)
    new_hash = await passwords.hash_password(new_password)
    if code:
        await factors.count_guess(owner.id, factors.MAILBOX)
    async with transaction() as db:
        link, user = await links.take(db, secret, *_PURPOSES)
        if link.purpose == LinkPurpose.CLAIM_ACCOUNT.value:
            await _claim(db, user, link.email, new_hash, client)
            return
        if link.email != user.email:
            raise links.unusable()
        await resets.do_if_due(db, user.id, address=client.address)
        if user.email_confirmed_at is None:
            await _remove_factors(db, user, client)
        # Who has the mailbox is not yet the owner: otherwise a mailbox would open what two factors protect.
        await factors.demand(db, user.id, code)
        now = clock.now()
        user.password_hash, user.updated_at = new_hash, now
        user.email_confirmed_at = user.email_confirmed_at or now
        # A thief may have begun a change of the address; undoing one stays possible.
        await links.end(
            db, user.id, LinkPurpose.RESET_PASSWORD, LinkPurpose.CHANGE_EMAIL, LinkPurpose.CONFIRM_EMAIL
        )
        ended = await sessions.end_all_sessions(db, user.id, EndReason.PASSWORD_CHANGED)
        audit.write(
            db,
            audit.Act.PASSWORD_RESET,
            actor=user.id,
            subject=user.id,
            at=now,
            detail={"sessions_ended": ended, "device": devices.kept_words(client.user_agent)},
            address=client.address,
        )
        await links.write_notice(db, user, MailKind.PASSWORD_CHANGED, client=client)
    # Who has tried many passwords before they asked for the link signs in with the new one at once.
    await sign_in.forgive_guesses(user.email, client)
    if code:
        await factors.guessed_right(user.id, factors.MAILBOX)
    _log.info("password reset", user_id=user.id)


async def _remove_factors(db: AsyncSession, user: User, client: Client) -> None:
    """Remove the factors of an account, which is locked, whose address nobody had proved before now.

    The mailbox is the better proof there: a stranger who was first could keep the address from its owner.
    """
    removed = [view.kind for view in await factors.list_factors(db, user.id)]
    if not removed:
        return
    await factors.remove_all(db, user.id)
    await resets.cancel(db, user.id, address=client.address)
    write_audit(db, user, audit.Act.FACTOR_REMOVED, client, kinds=removed, because="address_never_confirmed")
    details = links.done_by(client) | {"change": "removed"}
    await links.write_mail(db, user, MailKind.FACTORS_CHANGED, purpose=LinkPurpose.NOT_ME, details=details)


async def _claim(db: AsyncSession, user: User, email: str, password_hash: str, client: Client) -> None:
    """Give an account, which is locked, its owner: address and password. It had no session before.

    Only here does the address become the account's. If it had been before, one who signs up or asks for a new
    password with it would own an account together with somebody who gave a program the wrong address.
    """
    if accounts.is_claimed(user):
        raise links.unusable()
    await links.end(db, user.id, LinkPurpose.CLAIM_ACCOUNT)
    user.password_hash, user.display_name = password_hash, email.split("@", maxsplit=1)[0][:80]
    await write_email(db, user, email)
    write_audit(db, user, audit.Act.ACCOUNT_CLAIMED, client)
    _log.info("account claimed", user_id=user.id)
