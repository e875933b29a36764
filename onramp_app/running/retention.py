"""Deletes what is kept for a time only, once a day by one of the instances.

The books, the audit log, top-ups and what the provider was read to say are kept for good.
"""

import asyncio
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Delete, tuple_
from sqlmodel import col, delete, func, or_, select

from onramp_app import idempotency
from onramp_app.accounts.tables import AccountLink, AuthSession, RefreshToken
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.db.locks import Lock
from onramp_app.db.moments import database_time
from onramp_app.idempotency import IdempotencyKey
from onramp_app.mail.tables import OutboxMail
from onramp_app.provider_orders.tables import StoredWebhook, WebhookRefusal

_DAY_SECONDS = 86_400
_AT_ONCE = 1_000  # keeps each transaction, and what it locks, short

_log = structlog.get_logger(__name__)


async def purge_daily() -> None:
    """Purge at once, and then once a day, for ever. What fails is tried the next day."""
    while True:
        try:
            if purged := await purge():
                _log.info("purged", **purged)
        except Exception:  # noqa: BLE001  # tomorrow it may work
            _log.warning("nothing could be purged", exc_info=True)
        await asyncio.sleep(_DAY_SECONDS)


async def purge() -> dict[str, int]:
    """Delete what has been kept for as long as it has to be.

    After `RETENTION_DAYS`: ended sessions with their refresh tokens, spent refresh tokens, webhooks that
    were acted on, refused requests, mails that were sent or given up, links that
    have ended. After 24 hours: answers kept under an
    idempotency key.

    Returns how many rows went from each table; nothing when another instance is purging.

    Raises:
        DatabaseUnavailable: the database does not answer; what was deleted before stays deleted.
    """
    now = await database_time()
    counts: dict[str, int] = {}
    for name, statement in _statements(now - timedelta(days=get_settings().retention_days), now).items():
        while purged := await _purge_some(statement):
            counts[name] = counts.get(name, 0) + purged
    return counts


def _statements(before: datetime, now: datetime) -> dict[str, Delete]:
    ended = or_(col(AuthSession.revoked_at) < before, col(AuthSession.expires_at) < before)
    # One that waits is never old: it is money that somebody may still miss.
    handled = (col(StoredWebhook.received_at) < before, col(StoredWebhook.handled_at).is_not(None))
    refused = col(WebhookRefusal.received_at) < before
    ended_mails = (
        col(OutboxMail.created_at) < before,
        or_(col(OutboxMail.sent_at).is_not(None), col(OutboxMail.given_up_at).is_not(None)),
    )
    answered = col(IdempotencyKey.created_at) <= now - idempotency.KEPT
    keys = select(IdempotencyKey.user_id, IdempotencyKey.key).where(answered).limit(_AT_ONCE)
    return {
        "sessions": delete(AuthSession).where(
            col(AuthSession.id).in_(select(AuthSession.id).where(ended).limit(_AT_ONCE))
        ),
        # A client that kept one for longer than this without using it hears of no theft any more.
        "refresh_tokens": delete(RefreshToken).where(
            col(RefreshToken.token_hash).in_(
                select(RefreshToken.token_hash).where(col(RefreshToken.used_at) < before).limit(_AT_ONCE)
            )
        ),
        "webhook_events": delete(StoredWebhook).where(
            col(StoredWebhook.id).in_(select(StoredWebhook.id).where(*handled).limit(_AT_ONCE))
        ),
        "webhook_refusals": delete(WebhookRefusal).where(
            col(WebhookRefusal.id).in_(select(WebhookRefusal.id).where(refused).limit(_AT_ONCE))
        ),
        "outbox_mails": delete(OutboxMail).where(
            col(OutboxMail.id).in_(select(OutboxMail.id).where(*ended_mails).limit(_AT_ONCE))
        ),
        "account_links": delete(AccountLink).where(
            col(AccountLink.secret_hash).in_(
                select(AccountLink.secret_hash).where(col(AccountLink.expires_at) < before).limit(_AT_ONCE)
            )
        ),
        # Asked again, since a key may be claimed again between the look and the deed.
        "idempotency_keys": delete(IdempotencyKey).where(
            tuple_(col(IdempotencyKey.user_id), col(IdempotencyKey.key)).in_(keys), answered
        ),
    }


async def _purge_some(statement: Delete) -> int:
    async with transaction() as db:
        if not (await db.exec(select(func.pg_try_advisory_xact_lock(Lock.PURGE)))).one():
            return 0
        deleted = await db.exec(statement)
    return deleted.rowcount
