"""Creates, changes, disables and removes the endpoints of programs, each with a line in the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import text
from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute, transaction
from onramp_app.db.moments import moment, moment_of
from onramp_app.domain.errors import FieldError, NotFound, ValidationFailed
from onramp_app.domain.ids import is_id, new_id
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, deciding
from onramp_app.outgoing_webhooks import signing
from onramp_app.outgoing_webhooks.addresses import UnusableUrl, clean_url
from onramp_app.outgoing_webhooks.errors import EndpointDisabled, TooManyEndpoints
from onramp_app.outgoing_webhooks.tables import WebhookEndpoint
from onramp_app.outgoing_webhooks.views import (
    EndpointView,
    EndpointWithSecret,
    OperatorsEndpoint,
    endpoint_view,
)
from onramp_app.outgoing_webhooks.words import MAX_ENDPOINTS, Disabled, EventType
from onramp_app.programs import records
from onramp_app.programs.living import living_key_of
from onramp_app.programs.tables import ProgramRow
from onramp_app.programs.views import Program
from onramp_app.throttle import throttle

GIVEN_UP_AT_ONCE = 1_000  # keeps the transaction, and what it locks, short
_MOST_COUNTED = 100_000
_IS_THERE = col(WebhookEndpoint.removed_at).is_(None)
# Uses the indexes over deliveries by state, so as not to read the whole log, which is long.
_STANDING = text(f"""
SELECT e.id, p.name AS program, {living_key_of("p.id")} AS has_key, w.waiting, f.failed
  FROM webhook_endpoints e JOIN programs p ON p.id = e.program_id
 CROSS JOIN LATERAL (SELECT count(*) AS waiting FROM (
       SELECT FROM outgoing_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'waiting'
        LIMIT {_MOST_COUNTED}) c) w
 CROSS JOIN LATERAL (SELECT count(*) AS failed FROM (
       SELECT FROM outgoing_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'failed'
        LIMIT {_MOST_COUNTED}) c) f
 WHERE e.removed_at IS NULL
 ORDER BY p.name, e.made_at, e.id
""")  # noqa: S608 - a number and a name of our own  # nosec B608
# A delivery whose answer is being recorded at this moment is locked, and left for the next run.
_GIVE_UP_STRANDED = text(f"""
UPDATE outgoing_deliveries
   SET state = 'failed', ended_at = clock_timestamp(), problem = 'the endpoint was disabled'
 WHERE id IN (
    SELECT d.id FROM webhook_endpoints e
     CROSS JOIN LATERAL (
        SELECT id FROM outgoing_deliveries
         WHERE endpoint_id = e.id AND state = 'waiting'
         LIMIT :most FOR UPDATE SKIP LOCKED) d
     WHERE e.disabled_at IS NOT NULL OR NOT {living_key_of("e.program_id")}
     LIMIT :most)
   AND state = 'waiting'
""")  # noqa: S608 - a name of our own  # nosec B608
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes to make to an endpoint; None leaves a value as it is. An empty `description` removes it."""

    url: str | None = None
    description: str | None = None
    event_types: Sequence[EventType] | None = None
    is_enabled: bool | None = None


async def create(
    program: Program, url: str, *, event_types: Sequence[EventType] = (), description: str | None = None
) -> EndpointWithSecret:
    """Create an endpoint for a program, with its first secret, which is shown only this once.

    Args:
        program: the program that owns it.
        url: the address that its webhooks are sent to.
        event_types: the types that it wants; empty: all, including those of later releases.
        description: a note in the program's own words.

    Raises:
        ValidationFailed: the address cannot be used.
        TooManyEndpoints: the program has as many as it may have.
        RateLimited: the program changes its endpoints too often.
    """
    url = _clean(url)
    await throttle.attempt(throttle.ENDPOINTS, program.id)
    secret, endpoint_id = signing.new_secret(), new_id()
    async with transaction() as db:
        # Locked, so that concurrent creations count correctly; rows that refer to the program can still be
        # written.
        program_row = select(ProgramRow.id).where(ProgramRow.id == program.id)
        await db.exec(program_row.with_for_update(key_share=True))
        number = select(func.count()).where(WebhookEndpoint.program_id == program.id, _IS_THERE)
        if (await db.exec(number)).one() >= MAX_ENDPOINTS:
            raise TooManyEndpoints(f"A program has at most {MAX_ENDPOINTS} endpoints.")
        at = await moment_of(db)
        row = WebhookEndpoint(
            id=endpoint_id,
            program_id=program.id,
            url=url,
            description=description or None,
            event_types=_sorted(event_types),
            sealed_secret=signing.seal(secret, endpoint_id=endpoint_id),
            made_at=at,
            updated_at=at,
        )
        db.add(row)
        records.note(db, program, "webhook_endpoint.created", subject=row.id, detail=_words(row))
        view = endpoint_view(row, at=at)
    _log.info("webhook endpoint made", endpoint_id=endpoint_id, program_id=program.id)
    return EndpointWithSecret(view, signing.written(secret))


async def listed(program: Program) -> list[EndpointView]:
    """Return the endpoints of a program, the newest first."""
    async with transaction() as db:
        query = select(WebhookEndpoint).where(WebhookEndpoint.program_id == program.id, _IS_THERE)
        rows = (
            await db.exec(query.order_by(col(WebhookEndpoint.made_at).desc(), col(WebhookEndpoint.id)))
        ).all()
        at = await moment_of(db)
    return [endpoint_view(row, at=at) for row in rows]


async def get(program: Program, endpoint_id: str) -> EndpointView:
    """Return an endpoint of a program. Raises `NotFound`."""
    async with transaction() as db:
        return endpoint_view(await find(db, program.id, endpoint_id), at=await moment_of(db))


async def change(program: Program, endpoint_id: str, changes: Changes) -> EndpointView:
    """Change an endpoint. A disabled one that is enabled gets the events from now on.

    Events that it missed are sent only if the program asks for that (`deliveries.redeliver_failed`).

    Raises:
        NotFound: the program has no such endpoint.
        ValidationFailed: the address cannot be used.
        EndpointDisabled: the program tries to enable it, and an operator has disabled it.
        RateLimited: the program changes its endpoints too often.
    """
    url = None if changes.url is None else _clean(changes.url)
    await throttle.attempt(throttle.ENDPOINTS, program.id)
    async with transaction() as db:
        row = await find(db, program.id, endpoint_id, lock=True)
        row.updated_at = await moment_of(db)
        if url is not None and url != row.url:
            row.url, row.failing_since = url, None
        if changes.description is not None:
            row.description = changes.description or None
        if changes.event_types is not None:
            row.event_types = _sorted(changes.event_types)
        if changes.is_enabled is True and row.disabled_at is not None:
            if row.disabled_because == Disabled.OPERATOR.value:
                raise EndpointDisabled("An operator has disabled this endpoint, and nobody enables it again.")
            row.disabled_at = row.disabled_because = row.failing_since = None
        await db.flush()
        if changes.is_enabled is False:
            await disable(db, row.id, Disabled.PROGRAM)
            await db.refresh(row)
        records.note(db, program, "webhook_endpoint.changed", subject=row.id, detail=_words(row))
        return endpoint_view(row, at=row.updated_at)


async def rotate(program: Program, endpoint_id: str, *, keep_old: timedelta) -> EndpointWithSecret:
    """Give an endpoint a new secret, shown only this once; the previous one also signs for `keep_old`.

    Raises:
        NotFound: the program has no such endpoint.
        RateLimited: the program changes its endpoints too often.
    """
    await throttle.attempt(throttle.ENDPOINTS, program.id)
    secret = signing.new_secret()
    async with transaction() as db:
        row = await find(db, program.id, endpoint_id, lock=True)
        at = await moment_of(db)
        row.sealed_previous = row.sealed_secret if keep_old else None
        row.previous_until = at + keep_old if keep_old else None
        row.sealed_secret = signing.seal(secret, endpoint_id=row.id)
        row.updated_at = at
        detail = {"keep_old": str(keep_old)}
        records.note(db, program, "webhook_endpoint.secret_rotated", subject=row.id, detail=detail)
        view = endpoint_view(row, at=at)
    _log.info("webhook secret rotated", endpoint_id=endpoint_id, program_id=program.id)
    return EndpointWithSecret(view, signing.written(secret))


async def remove(program: Program, endpoint_id: str) -> None:
    """Remove an endpoint and the log of its deliveries. Waiting deliveries are not sent.

    Its log may be long, so its rows are deleted later, when their retention ends (`running.retention`).

    Raises:
        NotFound: the program has no such endpoint.
        RateLimited: the program changes its endpoints too often.
    """
    await throttle.attempt(throttle.ENDPOINTS, program.id)
    async with transaction() as db:
        row = await find(db, program.id, endpoint_id, lock=True)
        records.note(db, program, "webhook_endpoint.deleted", subject=row.id, detail=_words(row))
        await disable(db, row.id, Disabled.PROGRAM)
        await db.refresh(row)
        row.removed_at, row.description = row.disabled_at, None
        row.sealed_previous = row.previous_until = None
    _log.info("webhook endpoint removed", endpoint_id=endpoint_id, program_id=program.id)


async def disable_for(endpoint_id: str, *, mandate: Mandate) -> None:
    """Disable an endpoint as an operator. Its program cannot enable it again.

    This only takes power away and is urgent, so any operator may do it alone.

    Raises:
        NotFound: there is no such endpoint.
        ActionNotPossible: an operator has already disabled it.
        ValidationFailed, Forbidden: as `operators.mandate.deciding`.
    """
    async with deciding(mandate) as operator:
        row = await find(operator.db, None, endpoint_id, lock=True)
        if row.disabled_because == Disabled.OPERATOR.value:
            raise ActionNotPossible("An operator has disabled it before.")
        await operator.authorise(Deed("webhook_endpoint.disabled", row.id))
        at = await moment_of(operator.db)
        row.disabled_at, row.disabled_because = row.disabled_at or at, Disabled.OPERATOR.value
        operator.write_audit(at=at, detail={"program": row.program_id, **_words(row)})
    _log.info("webhook endpoint disabled by an operator", endpoint_id=endpoint_id)


async def listed_for_operators() -> list[OperatorsEndpoint]:
    """Return all endpoints with their programs' names, and how many of their deliveries wait or failed."""
    async with transaction() as db:
        found = {row.id: row for row in await execute(db, _STANDING)}
        rows = (await db.exec(select(WebhookEndpoint).where(col(WebhookEndpoint.id).in_(found)))).all()
        views = {row.id: endpoint_view(row, at=await moment_of(db)) for row in rows}
    return [
        OperatorsEndpoint(row.program, row.has_key, views[id_], waiting=row.waiting, failed=row.failed)
        for id_, row in found.items()
    ]


async def find(
    db: AsyncSession, program_id: str | None, endpoint_id: str, *, lock: bool = False
) -> WebhookEndpoint:
    """Return the row of an endpoint, of one program or of any, locked if `lock`. Raises `NotFound`."""
    found = None
    if is_id(endpoint_id):
        query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, _IS_THERE)
        if program_id is not None:
            query = query.where(WebhookEndpoint.program_id == program_id)
        # FOR NO KEY UPDATE, so that events can still be written for it meanwhile.
        found = (await db.exec(query.with_for_update(key_share=True) if lock else query)).first()
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found


async def disable(db: AsyncSession, endpoint_id: str, because: Disabled) -> bool:
    """Disable an endpoint. Returns whether it was enabled before.

    Many deliveries may be waiting for it, so they are given up later, in batches (`give_up_stranded`).
    """
    changed = await db.exec(
        update(WebhookEndpoint)
        .where(col(WebhookEndpoint.id) == endpoint_id, col(WebhookEndpoint.disabled_at).is_(None))
        .values(disabled_at=moment(), disabled_because=because.value)
        .execution_options(synchronize_session=False)
    )
    return bool(changed.rowcount)


async def give_up_stranded() -> int:
    """Give up deliveries that wait for disabled endpoints, or for programs without a working key.

    Returns how many, up to `GIVEN_UP_AT_ONCE`; if it is exactly that many, there may be more.

    Raises:
        DatabaseUnavailable: none was given up.
    """
    async with transaction() as db:
        return (await execute(db, _GIVE_UP_STRANDED, {"most": GIVEN_UP_AT_ONCE})).rowcount


def _clean(url: str) -> str:
    try:
        return clean_url(url)
    except UnusableUrl as error:
        raise ValidationFailed(
            "One or more fields cannot be used.", errors=(FieldError("url", str(error)),)
        ) from None


def _sorted(event_types: Sequence[EventType]) -> list[str]:
    return [one.value for one in EventType if one in event_types]


def _words(row: WebhookEndpoint) -> dict[str, object]:
    """Return the audit details of an endpoint, without the URL's path and query, which may hold a secret."""
    scheme, _, rest = row.url.partition("://")
    return {
        "host": f"{scheme}://{rest.partition('/')[0].partition('?')[0]}",
        "event_types": ",".join(row.event_types),
        "is_enabled": row.disabled_at is None,
    }
