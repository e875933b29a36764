"""Mails about top-ups: each move that its owner waits for, or has to know of, is written into the outbox.

They are gathered while a transaction goes on and written at its end, all of them by one statement: money is
credited by the fifty.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.db.engine import before_commit
from onramp_app.domain.money import amount_text, decimal_text
from onramp_app.ledger.assets import scales
from onramp_app.mail import outbox
from onramp_app.mail.outbox import Mail
from onramp_app.mail.words import CHOICE_OF, MailKind
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Act, State, TopUpStatus

_NOTED = "top_up_notices"


@dataclass(frozen=True, slots=True)
class _Notice:
    kind: MailKind
    top_up: TopUp
    state: State
    at: datetime


def note(db: AsyncSession, top_up: TopUp, state: State, *, act: Act, at: datetime) -> None:
    """Write a mail about a move of a top-up at the end of the transaction, where the move is worth one.

    Call it before the new state is written into the row.
    """
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
            return None  # Nothing was paid, and the person did it or left.


async def _write(db: AsyncSession) -> None:
    noted: list[_Notice] = db.info.pop(_NOTED)
    query = select(User.id, User.email, User.language, User.muted_mails).where(col(User.closed_at).is_(None))
    owners = {notice.top_up.user_id for notice in noted}
    people = {row[0]: row[1:] for row in (await db.exec(query.where(col(User.id).in_(owners)))).all()}
    decimals = await scales(db)
    mails = []
    for notice in noted:
        if notice.top_up.user_id not in people:
            continue  # Of a closed account: nobody can be written to.
        email, language, muted = people[notice.top_up.user_id]
        if CHOICE_OF.get(notice.kind) in muted:
            continue
        top_up = notice.top_up
        mails.append(
            Mail(
                notice.kind,
                # A top-up can be reversed, credited again and reversed again: each is an event of its own.
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
