"""Writes events for the programs that want them, in the transaction that causes them.

Events are noted during a transaction and written at its end: with one query for the endpoints that want them,
which finds nothing where there are none, and one statement for all the events, because one transaction
credits up to fifty orders.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import before_commit, execute, on_commit
from onramp_app.domain.ids import new_id
from onramp_app.domain.money import amount_text
from onramp_app.fleet import channels
from onramp_app.ledger.assets import scales
from onramp_app.ledger.posting import PostedTransfer
from onramp_app.ledger.transfers import Instruction
from onramp_app.outgoing_webhooks.words import EventType
from onramp_app.programs.living import living_key_of

_NOTED = "outgoing_events"

# The lock keeps the endpoint until the end of the transaction: if it were purged meanwhile, inserting the
# delivery would fail, and the transaction that causes the event with it.
_WANTED = text(f"""
SELECT p.user_id, p.program_id, p.external_id, e.id AS endpoint_id, e.event_types,
       e.disabled_at IS NOT NULL OR NOT {living_key_of("e.program_id")} AS is_disabled
  FROM webhook_endpoints e JOIN program_users p ON p.program_id = e.program_id
 WHERE p.user_id = ANY(CAST(:users AS text[])) AND e.removed_at IS NULL
 ORDER BY e.id FOR KEY SHARE OF e
""")  # noqa: S608 - names of columns  # nosec B608
# The sequence is assigned in the order of the rows. A delivery to a disabled endpoint is written as failed
# and kept, so that it can be sent again once the endpoint is enabled.
_WRITE = text("""
WITH made AS (
    INSERT INTO outgoing_events (id, program_id, user_id, type, object, data, created_at)
    SELECT g.id, g.program_id, g.user_id, g.type, g.object, g.data, clock_timestamp()
      FROM unnest(CAST(:ids AS text[]), CAST(:program_ids AS text[]), CAST(:user_ids AS text[]),
                  CAST(:types AS text[]), CAST(:objects AS text[]), CAST(:data AS text[]))
           WITH ORDINALITY AS g (id, program_id, user_id, type, object, data, place)
     ORDER BY g.place
    RETURNING id, object, sequence, created_at)
INSERT INTO outgoing_deliveries (id, event_id, endpoint_id, object, sequence, made_at, state, due_at,
                                 ended_at, problem)
SELECT g.id, made.id, g.endpoint_id, made.object, made.sequence, made.created_at,
       CASE WHEN g.is_disabled THEN 'failed' ELSE 'waiting' END, made.created_at,
       CASE WHEN g.is_disabled THEN clock_timestamp() END,
       CASE WHEN g.is_disabled THEN 'the endpoint was disabled' END
  FROM unnest(CAST(:delivery_ids AS text[]), CAST(:event_ids AS text[]), CAST(:endpoint_ids AS text[]),
              CAST(:disabled AS boolean[])) AS g (id, event_id, endpoint_id, is_disabled)
  JOIN made ON made.id = g.event_id
""")

_CROSSED = text("""
SELECT program_id, low_minor FROM program_users
 WHERE user_id = :user AND low_asset = :asset AND low_minor <= :before AND low_minor > :after
""")

Data = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to an object of a person, from which events are written.

    Attributes:
        type: what happened.
        object: the object's kind and id, such as `top_up:…`; locked until the end of the transaction, so that
            its events are written in order.
        user_id: the person it belongs to. Programs that know this person get the event.
        data: makes the event's JSON object, given the scale of each asset. Amounts are decimal strings, and
            ids are the only personal data.
        program_id: the only program that gets the event; None: every program that knows the person.
    """

    type: EventType
    object: str
    user_id: str
    data: Callable[[Mapping[str, int]], Data]
    program_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    program_id: str
    external_id: str
    endpoint_id: str
    event_types: frozenset[str]
    is_disabled: bool


def note(db: AsyncSession, happening: Happening) -> None:
    """Note an event, to be written at the end of the transaction for each program that wants it."""
    db.info.setdefault(_NOTED, []).append(happening)
    before_commit(db, _write)


async def note_balance(db: AsyncSession, instruction: Instruction, posted: PostedTransfer) -> None:
    """Note `balance.low` for each program whose threshold a person's balance has just fallen below.

    Only the crossing counts: a balance that stays low causes one event, and another once it has risen and
    fallen again.
    """
    if instruction.user_id is None or posted.available_after >= posted.available_before:
        return
    user_id, asset, available = instruction.user_id, instruction.asset, posted.available_after
    values = {
        "user": user_id,
        "asset": asset,
        "before": Decimal(posted.available_before),
        "after": Decimal(available),
    }
    for row in await execute(db, _CROSSED, values):
        note(db, _low(user_id, row.program_id, asset, available, threshold=int(row.low_minor)))


def _low(user_id: str, program_id: str, asset: str, available: int, *, threshold: int) -> Happening:
    return Happening(
        EventType.BALANCE_LOW,
        f"balance:{user_id}:{asset}",
        user_id,
        lambda known: {
            "asset": asset,
            "available": amount_text(available, scale=known[asset]),
            "threshold": amount_text(threshold, scale=known[asset]),
        },
        program_id=program_id,
    )


async def _write(db: AsyncSession) -> None:
    noted: list[Happening] = db.info.pop(_NOTED)
    wanted: dict[str, list[_Wanted]] = {}
    for row in await execute(db, _WANTED, {"users": list({one.user_id for one in noted})}):
        wanted.setdefault(row.user_id, []).append(
            _Wanted(
                row.program_id,
                row.external_id,
                row.endpoint_id,
                event_types=frozenset(row.event_types or EventType),
                is_disabled=row.is_disabled,
            )
        )
    if wanted:
        await _insert(db, noted, wanted, known=await scales(db))


async def _insert(
    db: AsyncSession,
    noted: list[Happening],
    wanted: Mapping[str, list[_Wanted]],
    *,
    known: Mapping[str, int],
) -> None:
    events: list[tuple[object, ...]] = []
    deliveries: list[tuple[object, ...]] = []
    for happening in noted:
        ids: dict[str, str] = {}  # the ids of this event, by program
        for one in wanted.get(happening.user_id, ()):
            if happening.program_id not in (None, one.program_id) or happening.type not in one.event_types:
                continue
            if one.program_id not in ids:
                ids[one.program_id] = new_id()
                data = {"user_id": happening.user_id, "external_id": one.external_id}
                events.append(
                    (
                        ids[one.program_id],
                        one.program_id,
                        happening.user_id,
                        happening.type.value,
                        happening.object,
                        json.dumps({**happening.data(known), **data}, ensure_ascii=False),
                    )
                )
            deliveries.append((new_id(), ids[one.program_id], one.endpoint_id, one.is_disabled))
    if not events:
        return
    columns = ("ids", "program_ids", "user_ids", "types", "objects", "data")
    more = ("delivery_ids", "event_ids", "endpoint_ids", "disabled")
    values: dict[str, list[object]] = {
        name: [row[place] for row in rows]
        for names, rows in ((columns, events), (more, deliveries))
        for place, name in enumerate(names)
    }
    await execute(db, _WRITE, values)
    on_commit(db, channels.webhook_due.ring)
