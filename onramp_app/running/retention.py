"""Deletes data whose retention has ended, once a day, by one of the instances.

`RULES` is the complete list. docs/privacy.md says the same for each table, and a test compares the two. The
books, the audit log, top-ups and the provider's records are kept for good.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import ColumnElement, Delete, exists, tuple_
from sqlmodel import and_, col, delete, func, or_, select

from onramp_app import idempotency
from onramp_app.accounts.tables import AccountLink, AuthSession, RefreshToken
from onramp_app.config import get_settings
from onramp_app.db.columns import Row
from onramp_app.db.engine import transaction
from onramp_app.db.locks import Lock
from onramp_app.db.moments import database_time
from onramp_app.factors.tables import Authenticator, FactorReset
from onramp_app.idempotency import IdempotencyKey
from onramp_app.links.tables import AddMoneyLink, LinkSession
from onramp_app.mail.tables import OutboxMail
from onramp_app.mail.words import MailKind
from onramp_app.outgoing_webhooks.tables import OutgoingDelivery, OutgoingEvent, WebhookEndpoint
from onramp_app.outgoing_webhooks.words import DeliveryState
from onramp_app.provider_orders.tables import StoredWebhook, WebhookRefusal
from onramp_app.top_ups.tables import TopUp

_DAY_SECONDS = 86_400
_AT_ONCE = 1_000  # keeps each transaction, and what it locks, short
_DAY = timedelta(days=1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Moments:
    """The times that rules compare with: now, and `RETENTION_DAYS` before now."""

    now: datetime
    before: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows of a table are deleted.

    Attributes:
        table: the table.
        kept: for how long its rows are kept, in the words of docs/privacy.md.
        goes: the condition under which a row is deleted.
    """

    table: type[Row]
    kept: str
    goes: Callable[[Moments], ColumnElement[bool]]

    def delete_some(self, at: Moments, *, most: int) -> Delete:
        """Return the statement that deletes up to `most` of these rows."""
        key = tuple_(*self.table.__table__.primary_key)  # type: ignore[attr-defined]
        goes = self.goes(at)
        some = select(*self.table.__table__.primary_key).where(goes).limit(most)  # type: ignore[attr-defined]
        # The condition is repeated, since a row may have changed between the subquery and the delete.
        return delete(self.table).where(key.in_(some), goes)


def _is_ended() -> ColumnElement[bool]:
    return or_(col(OutboxMail.sent_at).is_not(None), col(OutboxMail.given_up_at).is_not(None))


def _is_awaited() -> ColumnElement[bool]:
    waits = col(OutgoingDelivery.state) == DeliveryState.WAITING.value
    return exists().where(col(OutgoingDelivery.event_id) == col(OutgoingEvent.id), waits)


def _is_last_mail() -> ColumnElement[bool]:
    return col(OutboxMail.kind) == MailKind.ACCOUNT_CLOSED.value


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        AuthSession,
        "`RETENTION_DAYS` after their end",
        lambda at: or_(col(AuthSession.revoked_at) < at.before, col(AuthSession.expires_at) < at.before),
    ),
    # If a copy of a used token comes back after this time, the reuse (a theft) is no longer detected.
    Rule(
        RefreshToken,
        "`RETENTION_DAYS` after they were used",
        lambda at: col(RefreshToken.used_at) < at.before,
    ),
    # One that is still to be handled is never too old: it may be money that somebody is waiting for.
    Rule(
        StoredWebhook,
        "`RETENTION_DAYS`, once they were acted on",
        lambda at: and_(
            col(StoredWebhook.received_at) < at.before, col(StoredWebhook.handled_at).is_not(None)
        ),
    ),
    Rule(WebhookRefusal, "`RETENTION_DAYS`", lambda at: col(WebhookRefusal.received_at) < at.before),
    Rule(
        OutboxMail,
        "`RETENTION_DAYS`, once they were sent or given up",
        lambda at: and_(col(OutboxMail.created_at) < at.before, _is_ended()),
    ),
    Rule(
        OutboxMail,
        "the last email of a closed account one day after it was sent or given up",
        lambda at: and_(
            _is_last_mail(),
            or_(col(OutboxMail.sent_at) < at.now - _DAY, col(OutboxMail.given_up_at) < at.now - _DAY),
        ),
    ),
    Rule(
        AccountLink, "`RETENTION_DAYS` after their time", lambda at: col(AccountLink.expires_at) < at.before
    ),
    Rule(FactorReset, "`RETENTION_DAYS` after their end", lambda at: col(FactorReset.ended_at) < at.before),
    Rule(
        Authenticator,
        "one day while it is not confirmed",
        lambda at: and_(
            col(Authenticator.confirmed_at).is_(None), col(Authenticator.made_at) < at.now - _DAY
        ),
    ),
    Rule(
        LinkSession,
        "one day after their end",
        lambda at: or_(
            col(LinkSession.ended_at) < at.now - _DAY, col(LinkSession.expires_at) < at.now - _DAY
        ),
    ),
    # A link that a top-up refers to says who asked for the top-up, and is kept with it.
    Rule(
        AddMoneyLink,
        "`RETENTION_DAYS` after their time, where nothing was added by them",
        lambda at: and_(
            col(AddMoneyLink.expires_at) < at.before,
            ~select(TopUp.id).where(col(TopUp.link_id) == col(AddMoneyLink.id)).exists(),
        ),
    ),
    # Its deliveries and their attempts are deleted with it. None waits for ever: it is given up after days.
    Rule(
        OutgoingEvent,
        "`RETENTION_DAYS`, once they were taken or given up everywhere",
        lambda at: and_(col(OutgoingEvent.created_at) < at.before, ~_is_awaited()),
    ),
    Rule(
        WebhookEndpoint,
        "removed ones until all that was sent to them has gone",
        lambda _: and_(
            col(WebhookEndpoint.removed_at).is_not(None),
            ~exists().where(col(OutgoingDelivery.endpoint_id) == col(WebhookEndpoint.id)),
        ),
    ),
    Rule(IdempotencyKey, "24 hours", lambda at: col(IdempotencyKey.created_at) <= at.now - idempotency.KEPT),
)


async def purge_daily() -> None:
    """Purge now and then once a day, for ever. A purge that fails is repeated the next day."""
    while True:
        try:
            if purged := await purge():
                _log.info("purged", **purged)
        except Exception:  # noqa: BLE001  # tomorrow it may work
            _log.warning("nothing could be purged", exc_info=True)
        await asyncio.sleep(_DAY_SECONDS)


async def purge() -> dict[str, int]:
    """Delete the rows whose retention has ended, by `RULES`.

    Returns the number of rows deleted from each table. Where another instance is purging, rules are skipped.

    Raises:
        DatabaseUnavailable: the database does not answer; rows deleted before that stay deleted.
    """
    now = await database_time()
    at = Moments(now, before=now - timedelta(days=get_settings().retention_days))
    counts: dict[str, int] = {}
    for rule in RULES:
        name = str(rule.table.__tablename__)
        while purged := await _purge_some(rule.delete_some(at, most=_AT_ONCE)):
            counts[name] = counts.get(name, 0) + purged
    return counts


async def _purge_some(statement: Delete) -> int:
    async with transaction() as db:
        if not (await db.exec(select(func.pg_try_advisory_xact_lock(Lock.PURGE)))).one():
            return 0
        deleted = await db.exec(statement)
    return deleted.rowcount
