"""Notices of top-ups: mails to their owners, and webhooks to the programs that know the owners.

Each move that somebody waits for or has to know about goes into an outbox. A transaction collects its notices
and writes them together at its end, because money is credited in batches of fifty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.db.engine import before_commit
from onramp_app.domain.clock import rfc3339
from onramp_app.domain.money import amount_text, decimal_text
from onramp_app.ledger.assets import scales
from onramp_app.mail import outbox
from onramp_app.mail.outbox import Mail
from onramp_app.mail.words import CHOICE_OF, MailKind
from onramp_app.outgoing_webhooks import events
from onramp_app.outgoing_webhooks.events import Happening
from onramp_app.outgoing_webhooks.words import EventType
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Act, State, TopUpStatus

_NOTED = "top_up_notices"
_TYPES = {
    TopUpStatus.SETTLED: EventType.TOP_UP_SETTLED,
    TopUpStatus.IN_REVIEW: EventType.TOP_UP_IN_REVIEW,
    TopUpStatus.FAILED: EventType.TOP_UP_FAILED,
    TopUpStatus.REVERSED: EventType.TOP_UP_REVERSED,
}


@dataclass(frozen=True, slots=True)
class _Notice:
    kind: MailKind
    top_up: TopUp
    state: State
    at: datetime


def note(db: AsyncSession, top_up: TopUp, state: State, *, act: Act, at: datetime) -> None:
    """Queue the mail and the webhook that a top-up's move calls for, for the end of the transaction.

    Call this before the new state is written into the row.
    """
    if state.status.value != top_up.status and (type_ := _TYPES.get(state.status)) is not None:
        happening = Happening(
            type_, f"top_up:{top_up.id}", top_up.user_id, lambda known: _data(top_up, state, known)
        )
        events.note(db, happening)
    kind = _kind_of(top_up, state, act=act)
    if kind is not None:
        db.info.setdefault(_NOTED, []).append(_Notice(kind, top_up, state, at))
        before_commit(db, _write)


def _kind_of(  # noqa: PLR0911 - one answer a state
    top_up: TopUp, state: State, *, act: Act
) -> MailKind | None:
    if state.status.value == top_up.status:
        return None
    match state.status:
        case TopUpStatus.SETTLED:
            return MailKind.TOP_UP_RELEASED if act is Act.RELEASED else MailKind.TOP_UP_SETTLED
        case TopUpStatus.IN_REVIEW:
            return MailKind.TOP_UP_IN_REVIEW
        case TopUpStatus.FAILED:
            return MailKind.TOP_UP_FAILED
        case TopUpStatus.REVERSED:
            return MailKind.TOP_UP_REVERSED
        case TopUpStatus.CREATED | TopUpStatus.AWAITING_PAYMENT | TopUpStatus.PROCESSING:
            return None
        case TopUpStatus.CANCELED | TopUpStatus.EXPIRED:
            return None  # Nothing was paid, and the person canceled or left.


def _data(top_up: TopUp, state: State, known: Mapping[str, int]) -> events.Data:
    """Return a top-up as `GET /api/top-ups/{id}` shows it, in its new state.

    Left out is what only its owner sees: the widget address, the provider's orders and the timeline.
    """
    received = None
    if top_up.received_minor is not None and top_up.received_asset == top_up.asset:
        received = amount_text(top_up.received_minor, scale=known[top_up.asset])
    return {
        "id": top_up.id,
        "status": state.status.value,
        "reason": state.reason.value if state.reason else None,
        "charged": state.charged.value,
        "fiat": {"amount": decimal_text(top_up.fiat_amount), "currency": top_up.fiat_currency},
        "asset": top_up.asset,
        "network": top_up.network,
        "payment_method": top_up.payment_method,
        "received_amount": received,
        "link_id": top_up.link_id,
        "created_at": rfc3339(top_up.created_at),
        "updated_at": rfc3339(top_up.updated_at),
        "settled_at": rfc3339(top_up.settled_at),
    }


async def _write(db: AsyncSession) -> None:
    noted: list[_Notice] = db.info.pop(_NOTED)
    query = select(User.id, User.email, User.language, User.muted_mails).where(col(User.closed_at).is_(None))
    owners = {notice.top_up.user_id for notice in noted}
    people = {row[0]: row[1:] for row in (await db.exec(query.where(col(User.id).in_(owners)))).all()}
    decimals = await scales(db)
    mails = []
    for notice in noted:
        if notice.top_up.user_id not in people:
            continue  # The account is closed, so there is nobody to write to.
        email, language, muted = people[notice.top_up.user_id]
        if CHOICE_OF.get(notice.kind) in muted:
            continue
        top_up = notice.top_up
        mails.append(
            Mail(
                notice.kind,
                # A top-up can be reversed, credited again and reversed again: each move gets its own mail.
                f"{notice.kind}/{top_up.id}/{notice.at.isoformat()}",
                user_id=top_up.user_id,
                recipient=email,
                language=language,
                details=_details(notice, decimals),
            )
        )
    await outbox.write(db, mails)


def _details(notice: _Notice, decimals: dict[str, int]) -> dict[str, str]:
    top_up, state = notice.top_up, notice.state
    details = {
        "top_up_id": top_up.id,
        "fiat_amount": decimal_text(top_up.fiat_amount),
        "fiat_currency": top_up.fiat_currency,
        "charged": state.charged.value,
    }
    if state.reason is not None:
        details["reason"] = state.reason.value
    if top_up.received_minor is not None and top_up.received_asset is not None:
        scale = decimals[top_up.received_asset]
        details["amount"] = amount_text(top_up.received_minor, scale=scale)
        details["asset"] = top_up.received_asset
    return details
