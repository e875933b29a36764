"""Sends the mails that wait in the outbox. Any number of processes may: each mail is claimed by one of them.

A mail is claimed by moving its `due_at` forward, so a process that dies delays it only until then. If the
process dies after the server accepted the mail and before that is recorded, the mail is sent a second time,
with the same Message-ID: twice is better than never.
"""

from dataclasses import dataclass

import structlog
from prometheus_client import Counter
from sqlalchemy import TextClause, text
from sqlmodel import col, select

from onramp_app.config import DATA_DIR, AppEnv, Settings
from onramp_app.db.engine import execute, transaction
from onramp_app.fleet import channels
from onramp_app.fleet.watch import made_progress, rest
from onramp_app.mail.delivery import (
    MAIL_SECONDS,
    Delivery,
    MailFolder,
    MailPutOff,
    MailRefused,
    NoDelivery,
    Send,
    ServerAway,
    smtp_server_of,
)
from onramp_app.mail.messages import LinkLost, message_of_row
from onramp_app.mail.tables import OutboxMail
from onramp_app.telemetry.faults import Fault

MAILS_AT_ONCE = 10
# Longer than it takes to send all the mails that are claimed at once.
TAKEN_SECONDS = 2 * MAILS_AT_ONCE * MAIL_SECONDS
SEND_WITHIN_SECONDS = 2 * MAIL_SECONDS + 15
TICK_SECONDS = 2.0
_FIRST_WAIT_SECONDS = 5.0
_MAX_WAIT_SECONDS = 300.0
_RETRY_SECONDS = 30
_MAX_RETRY_SECONDS = 3600

_TAKE = text("""
UPDATE outbox_mails
   SET due_at = clock_timestamp() + :seconds * interval '1 second', attempts = attempts + 1
 WHERE id IN (SELECT id FROM outbox_mails
               WHERE sent_at IS NULL AND given_up_at IS NULL AND due_at <= clock_timestamp()
               ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED)
RETURNING id
""")
_EXPIRE = text("""
UPDATE outbox_mails SET given_up_at = clock_timestamp(), problem = coalesce(problem, 'too late')
 WHERE id IN (SELECT id FROM outbox_mails
               WHERE sent_at IS NULL AND given_up_at IS NULL AND useless_after <= clock_timestamp()
               ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED)
RETURNING kind
""")
_SENT = text(
    "UPDATE outbox_mails SET sent_at = clock_timestamp(), problem = NULL WHERE id = :id AND sent_at IS NULL"
)
_GIVEN_UP = text(
    "UPDATE outbox_mails SET given_up_at = clock_timestamp(), problem = :problem"
    " WHERE id = :id AND sent_at IS NULL AND given_up_at IS NULL"
)
_PUT_OFF = text(
    "UPDATE outbox_mails SET due_at = clock_timestamp() + :seconds * interval '1 second', problem = :problem"
    " WHERE id = :id AND sent_at IS NULL"
)
# The attempt does not count, because the server was never offered this mail.
_BACK = text(
    "UPDATE outbox_mails SET due_at = created_at, attempts = attempts - 1"
    " WHERE id = ANY(CAST(:ids AS text[])) AND sent_at IS NULL AND given_up_at IS NULL"
)

_MAILS = Counter("mails", "Emails by what became of an attempt to send them.", ["kind", "outcome"])
_log = structlog.get_logger(__name__)
server_away = Fault("mail_server", lasts="no email can be sent", is_over="emails can be sent again")


@dataclass(slots=True)
class Round:
    """The outcome of one round of sending. `is_away`: the server cannot be used at the moment."""

    sent: int = 0
    put_off: int = 0
    given_up: int = 0
    is_away: bool = False

    @property
    def taken(self) -> int:
        """How many mails this round handled."""
        return self.sent + self.put_off + self.given_up


def delivery_of(settings: Settings) -> Delivery:
    """Return the transport for mails: the mail server, where `SMTP_URL` is set.

    Otherwise they become files in `.data/mails` in development, and are only read from the outbox in tests.
    """
    if (server := smtp_server_of(settings)) is not None:
        return server
    return MailFolder(DATA_DIR / "mails") if settings.app_env is AppEnv.DEVELOPMENT else NoDelivery()


async def keep_sending(delivery: Delivery) -> None:
    """Send mails as they are written, for ever; while the server is down, retry with back-off."""
    wait = _FIRST_WAIT_SECONDS
    while True:
        made_progress()
        found = await send_some(delivery)
        if found.is_away:
            await rest(wait)
            wait = min(2 * wait, _MAX_WAIT_SECONDS)
            continue
        wait = _FIRST_WAIT_SECONDS
        if found.taken < MAILS_AT_ONCE:
            await channels.mail_due.wait(TICK_SECONDS)


async def send_some(delivery: Delivery) -> Round:
    """Claim mails that are due and send them; give up those that are no longer useful.

    Raises:
        DatabaseUnavailable: the mails that were claimed become due again after `TAKEN_SECONDS`.
    """
    done = Round()
    async with transaction() as db:
        late = (await execute(db, _EXPIRE, {"most": MAILS_AT_ONCE})).scalars().all()
        ids = (await execute(db, _TAKE, {"most": MAILS_AT_ONCE, "seconds": TAKEN_SECONDS})).scalars().all()
        rows = (await db.exec(select(OutboxMail).where(col(OutboxMail.id).in_(ids)))).all() if ids else ()
    for kind in late:
        _note(done, kind, "given_up")
        _log.warning("mail given up", kind=kind, reason="it was not sent in time")
    if not rows:
        return done
    waiting = [row.id for row in rows]
    try:
        async with delivery.opened() as send:
            for row in rows:
                made_progress()
                await _send_one(row, send, done)
                waiting.remove(row.id)
        server_away.over()
    except ServerAway as error:
        done.is_away = True
        server_away.happened(reason=str(error))
        _MAILS.labels("any", "server_away").inc()
        async with transaction() as db:
            await execute(db, _BACK, {"ids": waiting})
    return done


async def _send_one(row: OutboxMail, send: Send, done: Round) -> None:
    try:
        await send(message_of_row(row))
    except MailPutOff as error:
        seconds = min(_RETRY_SECONDS * 2 ** min(row.attempts - 1, 10), _MAX_RETRY_SECONDS)
        await _write(_PUT_OFF, id=row.id, seconds=seconds, problem=str(error)[:200])
        _note(done, row.kind, "put_off")
    except (MailRefused, LinkLost, ValueError) as error:
        reason = str(error) if isinstance(error, MailRefused) else type(error).__name__
        await _write(_GIVEN_UP, id=row.id, problem=reason[:200])
        _note(done, row.kind, "given_up")
        _log.warning("mail given up", kind=row.kind, mail_id=row.id, reason=reason)
    else:
        await _write(_SENT, id=row.id)
        _note(done, row.kind, "sent")
        _log.info("mail sent", kind=row.kind, mail_id=row.id, attempts=row.attempts)


async def _write(statement: TextClause, **values: object) -> None:
    async with transaction() as db:
        await execute(db, statement, values)


def _note(done: Round, kind: str, outcome: str) -> None:
    _MAILS.labels(kind, outcome).inc()
    match outcome:
        case "sent":
            done.sent += 1
        case "put_off":
            done.put_off += 1
        case _:
            done.given_up += 1
