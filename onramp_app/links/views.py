"""Views of add-money links: for the program that made one, and for the browser that opens it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Select
from sqlmodel import and_, col, not_, or_
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.db.moments import moment, moment_of
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import is_id
from onramp_app.domain.money import amount_text, decimal_text
from onramp_app.ledger.assets import scales
from onramp_app.links.returns import Result, is_allowed, return_address
from onramp_app.links.tables import AddMoneyLink
from onramp_app.links.tokens import hash_of, keys_of, read_token
from onramp_app.links.words import SHOWN_AFTER_END, LinkStatus
from onramp_app.programs.living import has_living_key
from onramp_app.programs.tables import ProgramRow
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import OPEN, TopUpStatus

_NOT_OVER = (*OPEN, TopUpStatus.IN_REVIEW)


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link as its program sees it. Amounts are decimal strings.

    `url` and `return_secret` are None where `SECRET_KEY` was changed twice since: the link cannot be opened.
    `received_amount` of `received_asset` is what arrived; None before, and where nothing did.
    """

    id: str
    url: str | None
    status: LinkStatus
    user_id: str
    reference: str | None
    fiat_currency: str | None
    fiat_amount: str | None
    asset: str | None
    return_url: str | None
    return_secret: str | None
    created_at: datetime
    expires_at: datetime
    top_up_id: str | None
    top_up_status: str | None
    received_amount: str | None
    received_asset: str | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What an open link fixes, and who asks. `fiat_amount` is a decimal string.

    `top_up_id` is that of the top-up that was begun by the link, None before.
    """

    link_id: str
    program: str
    fiat_currency: str | None
    fiat_amount: str | None
    asset: str | None
    top_up_id: str | None


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """What the token of a link leads to. Without `terms` the link no longer works: `status` says why.

    `is_begun`: a top-up was begun by it.
    """

    link_id: str
    user_id: str
    status: LinkStatus
    program: str
    is_begun: bool
    terms: Terms | None
    _return_url: str | None = field(repr=False)
    _return_secret: str | None = field(repr=False)

    def address_back(self, result: Result) -> str | None:
        """Return where to go back to with a signed result, or None where that is nowhere."""
        url, secret = self._return_url, self._return_secret
        if url is None or secret is None or not is_allowed(url):
            return None
        return return_address(url, result, secret=secret)


@dataclass(frozen=True, slots=True)
class LinkRows:
    """A link with what belongs to it, as one read found them."""

    link: AddMoneyLink
    person: User
    program: ProgramRow
    top_up: TopUp | None
    is_over: bool

    @property
    def status(self) -> LinkStatus:
        """How the link stands."""
        if self.link.revoked_at is not None:
            return LinkStatus.REVOKED
        return LinkStatus.USED if self.top_up is not None else LinkStatus.OPEN


def _has_ended() -> ColumnElement[bool]:
    """Return the condition by which a top-up no longer shows at its link."""
    return and_(
        col(TopUp.status).not_in([status.value for status in _NOT_OVER]),
        col(TopUp.updated_at) <= moment() - SHOWN_AFTER_END,
    )


def rows() -> Select[AddMoneyLink, User, ProgramRow, TopUp, bool]:
    """Return the query for links of this environment, whose rows `of_row` takes."""
    is_over = or_(
        col(AddMoneyLink.revoked_at).is_not(None),
        col(User.closed_at).is_not(None),
        and_(col(TopUp.id).is_(None), col(AddMoneyLink.expires_at) <= moment()),
        # Somebody else may have made it with a key that was found. What was begun by it is shown to the end.
        and_(col(TopUp.id).is_(None), not_(has_living_key(col(AddMoneyLink.program_id)))),
        and_(col(TopUp.id).is_not(None), _has_ended()),
    )
    return (
        sqlalchemy.select(AddMoneyLink, User, ProgramRow, TopUp, is_over)
        .join(User, col(User.id) == col(AddMoneyLink.user_id))
        .join(ProgramRow, col(ProgramRow.id) == col(AddMoneyLink.program_id))
        .outerjoin(TopUp, col(TopUp.link_id) == col(AddMoneyLink.id))
        .where(col(AddMoneyLink.environment) == current_environment().value)
    )


def of_row(row: Sequence[Any]) -> LinkRows:
    """Return a row of `rows` by its names."""
    return LinkRows(row[0], row[1], row[2], row[3], bool(row[4]))


async def read(db: AsyncSession, link_id: str, *, lock: bool = False) -> LinkRows | None:
    """Return a link of this environment with its person, program and top-up; the link locked on request."""
    if not is_id(link_id):
        return None
    query = rows().where(col(AddMoneyLink.id) == link_id)
    if lock:
        query = query.with_for_update(of=AddMoneyLink).execution_options(populate_existing=True)
    found = (await db.exec(query)).first()  # type: ignore[call-overload]  # it takes any SELECT
    return None if found is None else of_row(found)


async def get(program_id: str, link_id: str) -> LinkView:
    """Return one of the program's links. Raises `NotFound`, also for another program's."""
    async with transaction() as db:
        return await view_of(db, await find(db, program_id, link_id))


async def find(db: AsyncSession, program_id: str, link_id: str, *, lock: bool = False) -> LinkRows:
    """Return one of the program's links with its rows. Raises `NotFound`."""
    found = await read(db, link_id, lock=lock)
    if found is None or found.link.program_id != program_id:
        raise NotFound("There is no such link.")
    return found


async def opened(token: object) -> OpenedLink | None:
    """Return what a token leads to, or None where it is that of no link. Looks up only what was signed here.

    Raises:
        DatabaseUnavailable: the link could not be read.
    """
    if (link_id := read_token(token)) is None:
        return None
    async with transaction() as db:
        found = await read(db, link_id)
    if found is None or found.link.token_hash != hash_of(str(token)):
        return None
    status = found.status
    keys = keys_of(found.link.id, token_hash=found.link.token_hash)
    if found.is_over and status is LinkStatus.OPEN:
        status = LinkStatus.EXPIRED
    return OpenedLink(
        found.link.id,
        found.person.id,
        status,
        found.program.name,
        found.top_up is not None,
        None if found.is_over else terms_of(found),
        found.link.return_url,
        keys.return_secret if keys else None,
    )


def terms_of(found: LinkRows) -> Terms:
    """Return what the link fixes."""
    link = found.link
    return Terms(
        link.id,
        found.program.name,
        link.fiat_currency,
        _text(link.fiat_amount),
        link.asset,
        found.top_up.id if found.top_up else None,
    )


async def view_of(db: AsyncSession, found: LinkRows) -> LinkView:
    """Return the view of a link for its program."""
    link, top_up, status = found.link, found.top_up, found.status
    keys = keys_of(link.id, token_hash=link.token_hash)
    if status is LinkStatus.OPEN and link.expires_at <= await moment_of(db):
        status = LinkStatus.EXPIRED
    amount = asset = None
    if top_up is not None and top_up.received_minor is not None and top_up.received_asset is not None:
        asset = top_up.received_asset
        amount = amount_text(top_up.received_minor, scale=(await scales(db))[asset])
    return LinkView(
        id=link.id,
        url=f"{get_settings().ui_origin}/link/{keys.token}" if keys else None,
        status=status,
        user_id=link.user_id,
        reference=link.reference,
        fiat_currency=link.fiat_currency,
        fiat_amount=_text(link.fiat_amount),
        asset=link.asset,
        return_url=link.return_url,
        return_secret=keys.return_secret if keys else None,
        created_at=link.created_at,
        expires_at=link.expires_at,
        top_up_id=top_up.id if top_up else None,
        top_up_status=top_up.status if top_up else None,
        received_amount=amount,
        received_asset=asset,
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else decimal_text(amount)
