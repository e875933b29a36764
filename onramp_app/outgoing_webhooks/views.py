"""Frozen views of endpoints and deliveries, and the backlog of all of them, for operators."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute
from onramp_app.outgoing_webhooks.tables import WebhookEndpoint
from onramp_app.programs.living import living_key_of

# Uses the partial indexes over waiting and failed deliveries. Many may wait for an endpoint that takes none,
# so they are counted up to a bound. A delivery that waits for its next attempt, or behind another of its
# object, says nothing about our sending; one that has been due for a minute shows that webhooks are not being
# sent. `now()` rather than `clock_timestamp()`, because only a stable value can be searched in an index.
_MOST_COUNTED = 100_000
_BACKLOG = text(f"""
SELECT (SELECT count(*) FROM (SELECT FROM outgoing_deliveries WHERE state = 'waiting'
                               LIMIT {_MOST_COUNTED}) w) AS waiting,
       (SELECT count(*) FROM (SELECT FROM outgoing_deliveries
                               WHERE state = 'failed' AND ended_at > now() - interval '1 day'
                               LIMIT {_MOST_COUNTED}) f) AS failed,
       (SELECT extract(epoch FROM now() - min(first.due_at)) FROM webhook_endpoints e
         CROSS JOIN LATERAL (
            SELECT d.due_at FROM outgoing_deliveries d
             WHERE d.endpoint_id = e.id AND d.state = 'waiting'
               AND d.due_at < now() - interval '1 minute'
               AND NOT EXISTS (SELECT FROM outgoing_deliveries o
                                WHERE o.endpoint_id = d.endpoint_id AND o.object = d.object
                                  AND o.sequence < d.sequence AND o.state = 'waiting')
             ORDER BY d.due_at LIMIT 1) first
         WHERE e.failing_since IS NULL AND e.disabled_at IS NULL
           AND {living_key_of("e.program_id")}) AS overdue,
       (SELECT count(*) FROM webhook_endpoints WHERE failing_since IS NOT NULL AND disabled_at IS NULL)
           AS failing,
       (SELECT count(*) FROM webhook_endpoints WHERE disabled_because IN ('failing', 'gone')
           AND removed_at IS NULL) AS disabled
""")  # noqa: S608 - a number of our own  # nosec B608


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint as its program sees it. `event_types` is empty where all are wanted.

    `failing_since` is when it stopped acknowledging webhooks; `disabled_because` is a word of `Disabled`.
    Until `previous_secret_until` the earlier secret also signs.
    """

    id: str
    url: str
    description: str | None
    event_types: tuple[str, ...]
    is_enabled: bool
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_because: str | None
    previous_secret_until: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class EndpointWithSecret:
    """An endpoint with its newest secret, which is shown only this once."""

    endpoint: EndpointView
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OperatorsEndpoint:
    """An endpoint with the name of its program; nothing is sent unless `has_key`: one of its keys works.

    `waiting` and `failed` deliveries are counted up to 100,000.
    """

    program: str
    has_key: bool
    endpoint: EndpointView
    waiting: int
    failed: int


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One request and its outcome: `answer` is the beginning of the body, with undecodable bytes replaced."""

    at: datetime
    took_ms: int
    status: int | None
    answer: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """An event on its way to an endpoint: `request` is the very body that is sent.

    `next_attempt_at` is None once it is delivered or given up. `attempts` are the newest ones, newest first.
    """

    id: str
    event_id: str
    type: str
    state: str
    request: dict[str, Any]
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    problem: str | None
    attempts: tuple[AttemptView, ...]


@dataclass(frozen=True, slots=True)
class OutgoingBacklog:
    """The backlog of outgoing webhooks.

    `overdue_seconds`: for how long the oldest delivery to a working endpoint has been due without being sent.
    `waiting` and `failed` (given up in the last day) are counted up to 100,000. `failing` endpoints
    acknowledge nothing at present; `disabled` ones acknowledged nothing for days, or answered that they are
    gone.
    """

    waiting: int
    overdue_seconds: float
    failed: int
    failing: int
    disabled: int


def endpoint_view(row: WebhookEndpoint, *, at: datetime) -> EndpointView:
    """Return the view of an endpoint as of `at`."""
    is_previous = row.previous_until is not None and row.previous_until > at
    return EndpointView(
        id=row.id,
        url=row.url,
        description=row.description,
        event_types=tuple(row.event_types),
        is_enabled=row.disabled_at is None,
        failing_since=row.failing_since,
        disabled_at=row.disabled_at,
        disabled_because=row.disabled_because,
        previous_secret_until=row.previous_until if is_previous else None,
        created_at=row.made_at,
        updated_at=row.updated_at,
    )


async def backlog(db: AsyncSession) -> OutgoingBacklog:
    """Return the backlog of outgoing webhooks. Raises `DatabaseUnavailable`."""
    row = (await execute(db, _BACKLOG)).one()
    return OutgoingBacklog(row.waiting, float(row.overdue or 0), row.failed, row.failing, row.disabled)
