"""Writes mails into the outbox in the transaction that causes them: neither happens without the other."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import text
from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute, on_commit
from onramp_app.db.moments import moment
from onramp_app.db.personal import Part
from onramp_app.domain.ids import new_id
from onramp_app.fleet import channels
from onramp_app.mail.links import MailLink
from onramp_app.mail.tables import OutboxMail
from onramp_app.mail.words import NOWHERE, WORTH_SENDING, MailKind

# One statement for any number of mails: building one with as many parameters took longer than executing it.
_WRITE = text("""
INSERT INTO outbox_mails (id, event_key, kind, user_id, recipient, language, details, link_id, link_hash,
                          created_at, useless_after, due_at, attempts)
SELECT m.id, m.event_key, m.kind, m.user_id, m.recipient, m.language, m.details, m.link_id, m.link_hash,
       clock_timestamp(), clock_timestamp() + m.worth_seconds * interval '1 second', clock_timestamp(), 0
  FROM unnest(CAST(:ids AS text[]), CAST(:event_keys AS text[]), CAST(:kinds AS text[]),
              CAST(:user_ids AS text[]), CAST(:recipients AS text[]), CAST(:languages AS text[]),
              CAST(:details AS text[]), CAST(:link_ids AS text[]), CAST(:link_hashes AS bytea[]),
              CAST(:worth_seconds AS float[]))
       AS m (id, event_key, kind, user_id, recipient, language, details, link_id, link_hash, worth_seconds)
    ON CONFLICT (event_key) DO NOTHING
""")

# Everything stored here about a person, for their data file, in the order of the index.
MAILS = Part(
    name="mails",
    shows={
        "kind": "outbox_mails.kind",
        "recipient": "outbox_mails.recipient",
        "language": "outbox_mails.language",
        "details": "CAST(outbox_mails.details AS json)",
        "created_at": "outbox_mails.created_at",
        "sent_at": "outbox_mails.sent_at",
        "given_up_at": "outbox_mails.given_up_at",
    },
    source="outbox_mails",
    whose="outbox_mails.user_id = :user_id",
    order=("outbox_mails.kind", "outbox_mails.created_at", "outbox_mails.id"),
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to write.

    Attributes:
        kind: the kind of the mail, which decides its letter.
        event_key: identifies what caused it; of mails with the same key, only the first is written.
        user_id: the account that it is about.
        recipient: an address as `accounts.fields.clean_email` returns it.
        language: the language of its text, a key of `texts.LANGUAGES`.
        details: the values that letters of this kind need, none of them secret. Never a name that a person
            entered: a stranger may have chosen it to send their own message through our mails.
        link: the mailed link that it carries, if any.
    """

    kind: MailKind
    event_key: str
    user_id: str
    recipient: str
    language: str
    details: Mapping[str, str] = field(default_factory=dict)
    link: MailLink | None = None


async def write(db: AsyncSession, mails: Sequence[Mail]) -> None:
    """Write mails into the outbox, in the caller's transaction. They are sent after it commits.

    Mails to accounts without a mailbox are skipped.
    """
    mails = [mail for mail in mails if not mail.recipient.endswith(NOWHERE)]
    if not mails:
        return
    values = {
        "ids": [new_id() for _ in mails],
        "event_keys": [mail.event_key for mail in mails],
        "kinds": [mail.kind.value for mail in mails],
        "user_ids": [mail.user_id for mail in mails],
        "recipients": [mail.recipient for mail in mails],
        "languages": [mail.language for mail in mails],
        "details": [json.dumps(mail.details, ensure_ascii=False) for mail in mails],
        "link_ids": [mail.link.id if mail.link else None for mail in mails],
        "link_hashes": [mail.link.hash if mail.link else None for mail in mails],
        "worth_seconds": [WORTH_SENDING[mail.kind].total_seconds() for mail in mails],
    }
    await execute(db, _WRITE, values)
    on_commit(db, channels.mail_due.ring)


async def forget(db: AsyncSession, user_id: str) -> None:
    """Delete all mails about an account, and so its addresses. Those still waiting are not sent."""
    await db.exec(delete(OutboxMail).where(col(OutboxMail.user_id) == user_id))


async def count_lately(db: AsyncSession, user_id: str, kind: MailKind, *, hours: int) -> int:
    """Return how many mails of a kind were written about an account within the last `hours` hours."""
    since = moment() - timedelta(hours=hours)
    query = select(func.count()).where(
        OutboxMail.user_id == user_id, OutboxMail.kind == kind.value, col(OutboxMail.created_at) > since
    )
    return (await db.exec(query)).one()
