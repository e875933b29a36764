"""Views of the outbox: its backlog for operators and, outside production, the text of each mail."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import get_settings
from onramp_app.db.engine import execute, transaction
from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import is_id
from onramp_app.mail.messages import LinkLost, text_of_row
from onramp_app.mail.tables import OutboxMail

# Uses the partial index over waiting mails. A mail that the recipient's server has put off is not yet due and
# says nothing about our sending; one that has been due for a minute shows that mails are not being sent.
_BACKLOG = text("""
SELECT count(*) AS waiting,
       extract(epoch FROM clock_timestamp() - min(created_at)
           FILTER (WHERE due_at < clock_timestamp() - interval '1 minute')) AS age
  FROM outbox_mails WHERE sent_at IS NULL AND given_up_at IS NULL
""")
_GIVEN_UP = text("""
SELECT count(*) FROM outbox_mails WHERE given_up_at > now() - interval '1 day'
""")


@dataclass(frozen=True, slots=True)
class MailBacklog:
    """How many mails wait, how old the oldest overdue one is, and how many were given up in the last day."""

    waiting: int
    oldest_seconds: float
    given_up: int


@dataclass(frozen=True, slots=True)
class MailLineView:
    """One mail in the list of the outbox. `state` is `waiting`, `sent` or `given_up`."""

    mail_id: str
    kind: str
    recipient: str
    subject: str
    state: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MailView:
    """One mail with its text, as its recipient reads it."""

    line: MailLineView
    plain: str
    html: str


async def backlog(db: AsyncSession) -> MailBacklog:
    """Return the backlog of the outbox. Raises `DatabaseUnavailable`."""
    waiting = (await execute(db, _BACKLOG)).one()
    given_up = (await execute(db, _GIVEN_UP)).scalar_one()
    return MailBacklog(waiting.waiting, max(0.0, float(waiting.age or 0)), given_up)


async def newest(*, limit: int = 50) -> list[MailLineView]:
    """Return the newest mails to all people, outside production.

    Raises:
        NotFound: this is production, where mails are for their recipients alone.
    """
    _refuse_in_production()
    query = select(OutboxMail).order_by(col(OutboxMail.created_at).desc(), col(OutboxMail.id).desc())
    async with transaction() as db:
        rows = (await db.exec(query.limit(limit))).all()
    return [_view(row).line for row in rows]


async def one(mail_id: str) -> MailView:
    """Return one mail, outside production. Raises `NotFound`."""
    _refuse_in_production()
    found = None
    if is_id(mail_id):
        async with transaction() as db:
            found = (await db.exec(select(OutboxMail).where(OutboxMail.id == mail_id))).first()
    if found is None:
        raise NotFound("There is no such email.")
    return _view(found)


def _refuse_in_production() -> None:
    if get_settings().is_production:
        raise NotFound("There is no outbox to look at in production.")


def _view(row: OutboxMail) -> MailView:
    state = "sent" if row.sent_at else "given_up" if row.given_up_at else "waiting"
    try:
        said = text_of_row(row)
        subject, plain, html = said.subject, said.plain, said.html
    except LinkLost:  # made with a SECRET_KEY that is no longer known
        subject, plain, html = row.kind, "", ""
    line = MailLineView(row.id, row.kind, row.recipient, subject, state, row.created_at)
    return MailView(line, plain, html)
