"""Asking for a link to set a password: stored for everybody alike, answered by the background work.

The person who asks gets the same answer after the same work, one row in one transaction, whether or not there
is such an account. Only later, where nobody waits for it, is the account looked for.
"""

import hashlib
from contextlib import suppress

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import fields, links
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import User
from onramp_app.accounts.words import LinkPurpose
from onramp_app.db.engine import on_commit, transaction
from onramp_app.db.moments import moment_of
from onramp_app.domain.errors import RateLimited
from onramp_app.domain.networks import network_of
from onramp_app.fleet import channels
from onramp_app.fleet.watch import made_progress
from onramp_app.mail.words import RESET_LIFE, MailKind
from onramp_app.recovery.tables import ResetRequest
from onramp_app.throttle import throttle

ANSWER_WITHIN_SECONDS = 30.0
_AT_ONCE = 20
_TICK_SECONDS = 2.0


async def ask(email: str, client: Client) -> None:
    """Ask for a link to set the password of the account with this email, if there is one.

    Nobody learns whether there is. More than five links an hour for one address that one network asks for,
    and more than twenty that all ask for, are not mailed, silently.

    Raises:
        RateLimited: too many requests from this network.
        DatabaseUnavailable: nothing was asked for.
    """
    network = network_of(client.address)
    await throttle.attempt(throttle.FORGOT_FROM_NETWORK, network)
    try:
        known_as = fields.clean_email(email)
    except ValueError:
        return  # No account has this address.
    with suppress(RateLimited):
        name = hashlib.sha256(known_as.encode()).hexdigest()
        await throttle.attempt(throttle.FORGOT, name, network)
        await throttle.attempt(throttle.FORGOT_FROM_ANYWHERE, name)
        async with transaction() as db:
            device = "".join(c for c in client.user_agent if c.isprintable())[:200]
            db.add(
                ResetRequest(
                    email=known_as, address=client.address[:45], device=device, asked_at=await moment_of(db)
                )
            )
            on_commit(db, channels.reset_asked.ring)


async def keep_answering() -> None:
    """Answer requests as they come, for ever."""
    while True:
        made_progress()
        if await answer_some() < _AT_ONCE:
            await channels.reset_asked.wait(_TICK_SECONDS)


async def answer_some() -> int:
    """Mail a link for each request whose address has an account. Returns how many requests were taken.

    Any number of processes may; each request is answered by one of them, once.

    Raises:
        DatabaseUnavailable: what was not committed is answered later.
    """
    async with transaction() as db:
        query = select(ResetRequest).order_by(col(ResetRequest.asked_at)).limit(_AT_ONCE)
        asked = (await db.exec(query.with_for_update(skip_locked=True))).all()
        if not asked:
            return 0
        oldest = await moment_of(db) - RESET_LIFE
        for request in asked:
            if request.asked_at > oldest:
                await _mail_link(db, request)
        await db.exec(delete(ResetRequest).where(col(ResetRequest.id).in_([one.id for one in asked])))
    return len(asked)


async def _mail_link(db: AsyncSession, request: ResetRequest) -> None:
    query = select(User).where(User.email == request.email).with_for_update()
    user = (await db.exec(query)).first()
    if user is not None:
        await mail_reset(db, user, client=Client(request.address, request.device))


async def mail_reset(db: AsyncSession, user: User, *, client: Client) -> None:
    """Mail a link to set the password to the account's address. Earlier ones work no longer."""
    await links.end(db, user.id, LinkPurpose.RESET_PASSWORD)
    await links.write_mail(
        db,
        user,
        MailKind.RESET_PASSWORD,
        purpose=LinkPurpose.RESET_PASSWORD,
        details=links.done_by(client),
    )
