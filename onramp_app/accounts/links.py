"""Links that are mailed to the owner of an account, and the mails about its security that carry them.

A link is known by the hash of its secret, works once and until its time, and only for the address that it was
mailed to. What opens it is nowhere in the database (decision 22).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.devices import device_words
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import AccountLink, User
from onramp_app.accounts.words import LinkPurpose
from onramp_app.db.moments import moment, moment_of
from onramp_app.domain import clock
from onramp_app.domain.errors import FieldError, ValidationFailed
from onramp_app.mail import outbox
from onramp_app.mail.links import MailLink, is_secret, new_link, secret_hash
from onramp_app.mail.outbox import Mail
from onramp_app.mail.words import CHANGE_LIFE, CLAIM_LIFE, CONFIRM_LIFE, RESET_LIFE, UNDO_LIFE, MailKind

_LIFE: Mapping[LinkPurpose, timedelta] = {
    LinkPurpose.CONFIRM_EMAIL: CONFIRM_LIFE,
    LinkPurpose.CHANGE_EMAIL: CHANGE_LIFE,
    LinkPurpose.UNDO_EMAIL: UNDO_LIFE,
    LinkPurpose.RESET_PASSWORD: RESET_LIFE,
    LinkPurpose.NOT_ME: UNDO_LIFE,
    LinkPurpose.CLAIM_ACCOUNT: CLAIM_LIFE,
}
# One address that somebody signs in to again and again, from nowhere known, is not written to without end.
_NEW_DEVICES_A_DAY = 5


def unusable() -> ValidationFailed:
    """Return the refusal of a link: it never was one, was used, is too old, or its address has changed."""
    return ValidationFailed(
        "This link no longer works.",
        errors=(FieldError("token", "This link was used, is too old, or was replaced by a newer one."),),
    )


# Making.


async def write_mail(  # noqa: PLR0913 - what is mailed to whom, with which link
    db: AsyncSession,
    user: User,
    kind: MailKind,
    *,
    purpose: LinkPurpose | None = None,
    to: str | None = None,
    details: Mapping[str, str] | None = None,
    event: str = "",
) -> None:
    """Write a mail to the owner of an account into the outbox, with a link of its own where it has a purpose.

    Args:
        db: the transaction of what causes the mail.
        user: the account.
        kind: what the mail says.
        purpose: what its link is for.
        to: where it goes; the account's address unless given. The link works for that address.
        details: what its words need.
        event: what caused it; a mail with a link is one of a kind and needs none.
    """
    recipient = to or user.email
    link = await _make(db, user.id, purpose, email=recipient) if purpose is not None else None
    key = event or (link.id if link else "")
    mail = Mail(
        kind,
        f"{kind}/{key}",
        user.id,
        recipient=recipient,
        language=user.language,
        details=details or {},
        link=link,
    )
    await outbox.write(db, [mail])


async def _make(db: AsyncSession, user_id: str, purpose: LinkPurpose, *, email: str) -> MailLink:
    link, now = new_link(), await moment_of(db)
    db.add(
        AccountLink(
            secret_hash=link.hash,
            user_id=user_id,
            purpose=purpose.value,
            email=email,
            created_at=now,
            expires_at=now + _LIFE[purpose],
        )
    )
    await db.flush()
    return link


async def write_notice(db: AsyncSession, user: User, kind: MailKind, *, client: Client) -> None:
    """Write a mail about the security of an account, with the link of "This wasn't me"."""
    await write_mail(db, user, kind, purpose=LinkPurpose.NOT_ME, details=done_by(client))


async def write_new_device(db: AsyncSession, user: User, *, client: Client) -> None:
    """Write that somebody signed in on a device that the account does not know, at most five times a day."""
    if await outbox.count_lately(db, user.id, MailKind.NEW_DEVICE, hours=24) < _NEW_DEVICES_A_DAY:
        await write_notice(db, user, MailKind.NEW_DEVICE, client=client)


async def write_factor_refused(db: AsyncSession, user: User, *, client: Client) -> None:
    """Write that somebody had the password and a wrong code, at most once a day. The account is locked."""
    if not await outbox.count_lately(db, user.id, MailKind.FACTOR_REFUSED, hours=24):
        await write_notice(db, user, MailKind.FACTOR_REFUSED, client=client)


def done_by(client: Client) -> dict[str, str]:
    """Return what a mail says of who did something: when, from where, on what."""
    browser, system = device_words(client.user_agent)
    return {
        "at": clock.now().isoformat(timespec="seconds"),
        "address": client.address,
        "browser": browser or "",
        "system": system or "",
    }


# Opening.


async def find(db: AsyncSession, secret: object, *purposes: LinkPurpose) -> tuple[AccountLink, User] | None:
    """Return a link that still works, with its account, or None. Changes nothing and locks nothing."""
    if not is_secret(secret):
        return None
    query = (
        select(AccountLink, User)
        .join(User, col(User.id) == col(AccountLink.user_id))
        .where(
            AccountLink.secret_hash == secret_hash(str(secret)),
            col(AccountLink.purpose).in_([purpose.value for purpose in purposes]),
            col(AccountLink.ended_at).is_(None),
            col(AccountLink.expires_at) > moment(),
        )
    )
    return (await db.exec(query)).first()


async def is_on_its_way(db: AsyncSession, user_id: str, purpose: LinkPurpose, email: str) -> bool:
    """Return whether a link of an account that was mailed to this address still works."""
    query = select(AccountLink.user_id).where(
        AccountLink.user_id == user_id,
        AccountLink.purpose == purpose.value,
        AccountLink.email == email,
        col(AccountLink.ended_at).is_(None),
        col(AccountLink.expires_at) > moment(),
    )
    return (await db.exec(query.limit(1))).first() is not None


async def take(db: AsyncSession, secret: object, *purposes: LinkPurpose) -> tuple[AccountLink, User]:
    """Use a link up, in the caller's transaction, and return it with its account, which is locked.

    Of many who use the same link at once one gets it. The caller compares the addresses.

    Raises:
        ValidationFailed: the link does not work (any more).
    """
    found = await find(db, secret, *purposes)
    if found is None:
        raise unusable()
    link, _ = found
    # The account first: all that changes it takes the locks in this order.
    query = select(User).where(User.id == link.user_id).with_for_update()
    user = (await db.exec(query.execution_options(populate_existing=True))).one()
    used = await db.exec(
        update(AccountLink)
        .where(
            col(AccountLink.secret_hash) == link.secret_hash,
            col(AccountLink.ended_at).is_(None),
            col(AccountLink.expires_at) > moment(),
        )
        .values(ended_at=moment())
    )
    if not used.rowcount:
        raise unusable()
    return link, user


async def end(db: AsyncSession, user_id: str, *purposes: LinkPurpose, since: datetime | None = None) -> None:
    """Let the links of an account work no longer: those of these purposes, made at `since` or later."""
    statement = update(AccountLink).where(
        col(AccountLink.user_id) == user_id,
        col(AccountLink.purpose).in_([purpose.value for purpose in purposes]),
        col(AccountLink.ended_at).is_(None),
    )
    if since is not None:
        statement = statement.where(col(AccountLink.created_at) >= since)
    await db.exec(statement.values(ended_at=moment()))


async def forget(db: AsyncSession, user_id: str) -> None:
    """Delete all links of an account with the addresses that they were mailed to."""
    await db.exec(delete(AccountLink).where(col(AccountLink.user_id) == user_id))


async def is_kept_for_another(db: AsyncSession, email: str, user_id: str) -> bool:
    """Return whether an address was another account's until lately, whose owner may still take it back.

    Ask after the address was written: then nobody can change theirs in between.
    """
    query = select(AccountLink.user_id).where(
        AccountLink.email == email,
        AccountLink.purpose == LinkPurpose.UNDO_EMAIL.value,
        AccountLink.user_id != user_id,
        col(AccountLink.ended_at).is_(None),
        col(AccountLink.expires_at) > moment(),
    )
    return (await db.exec(query.limit(1))).first() is not None
