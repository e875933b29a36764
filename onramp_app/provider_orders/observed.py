"""Observations of what the provider does but does not document, for the operator's checks."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from onramp_app.db.engine import execute, transaction
from onramp_app.domain.environment import current_environment

_FIRST_WEBHOOK = text("""
SELECT received_at, is_content_signed, signed_at IS NOT NULL AS has_time
  FROM webhook_events
 WHERE environment = :environment AND kind IS NOT NULL
 ORDER BY id LIMIT 1
""")
_NOTE_BUSY = text("""
INSERT INTO provider_busy AS known (environment, times, last_at)
VALUES (:environment, 1, clock_timestamp())
    ON CONFLICT (environment) DO UPDATE SET times = known.times + 1, last_at = excluded.last_at
""")
_BUSY = text("SELECT times, last_at FROM provider_busy WHERE environment = :environment")


@dataclass(frozen=True, slots=True)
class FirstWebhook:
    """What the first webhook's signed header carried: whether the event itself, and whether a timestamp."""

    received_at: datetime
    has_event: bool
    has_time: bool


@dataclass(frozen=True, slots=True)
class BusyAnswers:
    """How many times the provider answered 429 to our reads, and when it last did."""

    times: int
    last_at: datetime


async def first_webhook() -> FirstWebhook | None:
    """Return what the first webhook's header carried, None before any webhook has arrived.

    Raises:
        DatabaseUnavailable: the webhook could not be looked up.
    """
    async with transaction() as db:
        found = await execute(db, _FIRST_WEBHOOK, {"environment": current_environment().value})
        row = found.one_or_none()
    return FirstWebhook(row.received_at, row.is_content_signed, row.has_time) if row else None


async def note_busy() -> None:
    """Count one 429 that the provider answered to a read.

    Raises:
        DatabaseUnavailable: the answer was not counted.
    """
    async with transaction() as db:
        await execute(db, _NOTE_BUSY, {"environment": current_environment().value})


async def busy_answers() -> BusyAnswers | None:
    """Return the count of the provider's 429 answers, None where there was none.

    Raises:
        DatabaseUnavailable: the count could not be looked up.
    """
    async with transaction() as db:
        row = (await execute(db, _BUSY, {"environment": current_environment().value})).one_or_none()
    return BusyAnswers(row.times, row.last_at) if row else None
