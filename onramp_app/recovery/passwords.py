"""Setting a new password by a mailed link, for people who have forgotten theirs or lost their account."""

import structlog

from onramp_app.accounts import devices, links, passwords, sessions
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.words import EndReason, LinkPurpose
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.networks import network_of
from onramp_app.factors import factors
from onramp_app.ledger import audit
from onramp_app.mail.words import MailKind
from onramp_app.sign_in import sign_in
from onramp_app.throttle import throttle

_log = structlog.get_logger(__name__)


async def reset(secret: str, new_password: str, client: Client, *, code: str = "") -> None:
    """Set a new password by a mailed link, and end all sessions of the account.

    Who opens the link has the mailbox, so its address counts as confirmed.

    Raises:
        ValidationFailed: the link no longer works (field `token`), or the password is weak (`new_password`),
            which leaves the link as it is.
        OtpRequired: the account has a second factor, and the code is missing. The link still works.
        WrongCode: the code is wrong. The link still works.
        RateLimited: too many links from this network, or too many wrong codes for this account.
        DatabaseUnavailable: nothing was changed.
    """
    await throttle.attempt(throttle.LINK, network_of(client.address))
    async with transaction() as db:
        found = await links.find(db, secret, LinkPurpose.RESET_PASSWORD)
    if found is None:
        raise links.unusable()
    _, owner = found
    personal = (owner.email, owner.email.split("@")[0], *owner.display_name.split(), get_settings().app_name)
    await passwords.check_new_password(new_password, field="new_password", personal=personal)
    new_hash = await passwords.hash_password(new_password)
    if code:
        await factors.count_guess(owner.id)
    async with transaction() as db:
        link, user = await links.take(db, secret, LinkPurpose.RESET_PASSWORD)
        if link.email != user.email:
            raise links.unusable()
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
        await factors.guessed_right(user.id)
    _log.info("password reset", user_id=user.id)
