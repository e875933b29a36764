"""The stored webhooks for an operator: list them, show one, and have the order of one read again."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import transaction
from onramp_app.db.moments import moment_of
from onramp_app.domain.environment import Environment
from onramp_app.domain.errors import NotFound
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, deciding
from onramp_app.provider_orders.hints import hint_of, mark_due
from onramp_app.provider_orders.tables import StoredWebhook
from onramp_app.provider_orders.translation import stored_translation
from onramp_app.providers.connection import get_webhook_reader
from onramp_app.providers.webhooks import SecretUsed

MAX_LISTED = 100
_MAX_EVENT_ID = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent:
    """One stored webhook.

    `handled_at` is when its order was made due; `secret` names the secret that signed it. `error` is always
    null and stays for programs that read it: nothing can fail once a webhook is stored.
    """

    id: int
    environment: str
    received_at: datetime
    flow: str | None
    order_id: str | None
    secret: str
    is_old: bool
    differs: bool
    handled_at: datetime | None
    error: None = None
    replays: int
    replayed_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventDetail:
    """One stored webhook with its signed header decoded and its body as text, as they were stored."""

    line: ListedEvent
    kind: str
    status: str | None
    signed_at: datetime | None
    is_content_signed: bool
    header: str
    body: str


@dataclass(frozen=True, slots=True)
class Replay:
    """The order that is read again, and how often this webhook has been replayed so far."""

    id: int
    flow: str
    order_id: str
    replays: int


async def list_events(*, limit: int, order_id: str | None = None) -> list[ListedEvent]:
    """Return the newest `limit` (at most 100) webhooks, of one provider order or of all."""
    query = select(StoredWebhook).order_by(col(StoredWebhook.id).desc()).limit(min(limit, MAX_LISTED))
    if order_id is not None:
        query = query.where(StoredWebhook.order_id == order_id.replace("\x00", ""))
    async with transaction() as db:
        return [_line(row) for row in await db.exec(query)]


async def show_event(event_id: int) -> EventDetail:
    """Return one webhook in full. It may hold personal data about the person who paid.

    Raises:
        NotFound: there is no such webhook.
    """
    async with transaction() as db:
        row = await _found(db, event_id)
    translation = stored_translation(row)
    header = get_webhook_reader().verified_before(row.header, SecretUsed(row.secret))
    return EventDetail(
        line=_line(row),
        kind=translation.kind.value,
        status=translation.status_text,
        signed_at=translation.signed_at,
        is_content_signed=translation.is_content_signed,
        header=header.content.decode(errors="backslashreplace"),
        body=row.body.decode(errors="backslashreplace"),
    )


async def replay_event(event_id: int, *, mandate: Mandate) -> Replay:
    """Make the order due that a webhook names, however often it was read before.

    A webhook only says what to read, so replaying it moves no money: the result of the read decides.

    Raises:
        NotFound: there is no such webhook.
        ActionNotPossible: the webhook names no order.
        ValidationFailed, Forbidden: as in `operators.mandate.deciding`.
    """
    async with deciding(mandate) as operator:
        row = await _found(operator.db, event_id, lock=True)
        hint = hint_of(stored_translation(row))
        if hint is None:
            raise ActionNotPossible("This webhook names no order that could be read.")
        # A replay moves no money and reveals nothing about anybody, so whose order it is does not matter.
        await operator.authorise(Deed("webhooks.replay", str(event_id)))
        at = await moment_of(operator.db)
        # Unlike a repeated webhook, a replay is followed for orders that have ended, too.
        users = await mark_due(
            operator.db, [hint], environment=Environment(row.environment), at=at, is_requested=True
        )
        row.replays, row.replayed_at = row.replays + 1, at
        operator.write_audit(at=at, detail={"flow": hint.flow, "order_id": hint.order_id})
    announce_changes(users)
    return Replay(event_id, hint.flow, hint.order_id, row.replays)


async def _found(db: AsyncSession, event_id: int, *, lock: bool = False) -> StoredWebhook:
    row = None
    if 0 < event_id <= _MAX_EVENT_ID:
        query = select(StoredWebhook).where(StoredWebhook.id == event_id)
        row = (await db.exec(query.with_for_update() if lock else query)).first()
    if row is None:
        raise NotFound("There is no webhook with this number.")
    return row


def _line(row: StoredWebhook) -> ListedEvent:
    if row.id is None:
        raise ValueError("a stored webhook has a number")
    return ListedEvent(
        id=row.id,
        environment=row.environment,
        received_at=row.received_at,
        flow=row.flow,
        order_id=row.order_id,
        secret=row.secret,
        is_old=row.is_old,
        differs=row.differs,
        handled_at=row.handled_at,
        replays=row.replays,
        replayed_at=row.replayed_at,
    )
