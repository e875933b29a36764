"""All that is held about a person as one JSON document, written while it is read.

Each context says what it shows of its own tables (`db.personal.Part`); here the lists are only put together.
They are read page by page, each in a short transaction of its own: neither a long history nor a slow reader
holds memory or a connection. So the file is of the time in which it was made, not of one moment.
"""

import json
from collections.abc import AsyncIterator
from typing import Final

from onramp_app import idempotency
from onramp_app.accounts import sessions
from onramp_app.accounts import views as accounts
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.views import Viewer
from onramp_app.db.engine import transaction
from onramp_app.db.personal import Part, Shown, read_page
from onramp_app.debits.personal import DEBITS
from onramp_app.domain import clock
from onramp_app.factors import views as factors
from onramp_app.ledger import audit
from onramp_app.ledger import balances as books
from onramp_app.links.personal import LINKS
from onramp_app.mail.outbox import MAILS
from onramp_app.outgoing_webhooks.personal import EVENTS
from onramp_app.programs.personal import PROGRAMS
from onramp_app.throttle import throttle
from onramp_app.top_ups.personal import TOP_UPS
from onramp_app.verification import personal as verification

PARTS: Final[tuple[Part, ...]] = (
    *books.PARTS,
    TOP_UPS,
    DEBITS,
    LINKS,
    *verification.PARTS,
    *accounts.PARTS,
    *factors.PARTS,
    PROGRAMS,
    EVENTS,
    MAILS,
    idempotency.KEYS,
    audit.LINES,
)


async def require_allowed(viewer: Viewer) -> None:
    """Refuse somebody who has not proved who they are. Raises `RecentSignInRequired` or `Unauthenticated`."""
    async with transaction() as db:
        await sessions.require_recent_proof(db, viewer)


async def export(viewer: Viewer, *, client: Client) -> AsyncIterator[str]:
    """Give the document piece by piece. A refusal comes before the first piece.

    Raises:
        RecentSignInRequired: the viewer proved who they are more than 15 minutes ago.
        Unauthenticated: the session has ended, perhaps while the document was written: it breaks off there.
        RateLimited: it was asked for too often.
        DatabaseUnavailable: the rest could not be read.
    """
    await require_allowed(viewer)
    await throttle.attempt(throttle.EXPORT, viewer.user_id)
    async with transaction() as db:
        await audit.write_own(
            db,
            audit.Act.DATA_EXPORTED,
            actor=viewer.user_id,
            user_id=viewer.user_id,
            at=clock.now(),
            detail={"session_id": viewer.session_id},
            address=client.address,
        )
        ((account,),) = [(await read_page(db, accounts.ACCOUNT, viewer.user_id)).rows]
    yield f'{{"made_at": {_json(clock.now().isoformat(timespec="seconds"))},\n"account": {_json(account)}'
    for part in PARTS:
        yield f",\n{_json(part.name)}: ["
        separator = "\n"
        async for rows in _pages(part, viewer):
            yield separator + ",\n".join(map(_json, rows))
            separator = ",\n"
        yield "]"
    yield "}\n"


async def _pages(part: Part, viewer: Viewer) -> AsyncIterator[list[Shown]]:
    after, is_first = None, True
    while is_first or after is not None:
        async with transaction() as db:
            await sessions.require_alive(db, viewer)
            page = await read_page(db, part, viewer.user_id, after)
        after, is_first = page.after, False
        if page.rows:
            yield page.rows


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
