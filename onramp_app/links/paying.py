"""The one top-up of a link, begun by a browser that holds a narrow session of it."""

from decimal import Decimal

from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import transaction
from onramp_app.db.moments import moment_of
from onramp_app.domain.money import decimal_text
from onramp_app.links import sessions
from onramp_app.links.errors import LinkOver
from onramp_app.links.sessions import Payer
from onramp_app.links.views import Terms, read
from onramp_app.pricing.quotes import PurchaseRequest
from onramp_app.top_ups import top_ups
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.views import TopUpView


async def begin(payer: Payer, request: PurchaseRequest, *, expected_amount: Decimal, review: str) -> str:
    """Begin the top-up of a link, once however many browsers confirm it, and return its id.

    The second browser gets the id of the first one's top-up. The program vouches for its person, so no
    confirmed address is asked for; everything else that refuses a top-up refuses this one.

    Raises:
        LinkOver: the link was revoked or its time is up, or the request is not what the link fixes.
        Everything that `top_ups.create_once` raises.
    """
    link_id = payer.terms.link_id
    _require_fits(payer.terms, request)

    async def take(db: AsyncSession, view: TopUpView) -> None:
        # Locked, so that of many one takes the link; the unique index is the second witness.
        found = await read(db, link_id, lock=True)
        if found is None or found.is_over or found.top_up is not None:
            raise LinkOver("The link starts no top-up any more.")
        await db.exec(update(TopUp).where(col(TopUp.id) == view.id).values(link_id=link_id))
        await sessions.keep_open(db, link_id, at=await moment_of(db))

    try:
        return await top_ups.create_once(
            payer,
            request,
            expected_amount=expected_amount,
            review=review,
            vouched=take,
        )
    except LinkOver:
        async with transaction() as db:
            found = await read(db, link_id)
        if found is None or found.top_up is None:
            raise
        return found.top_up.id


def _require_fits(terms: Terms, request: PurchaseRequest) -> None:
    fits = (
        terms.fiat_currency in (None, request.fiat_currency)
        and terms.fiat_amount in (None, decimal_text(request.fiat_amount))
        and terms.asset in (None, request.asset)
    )
    if not fits:
        raise LinkOver("The link is for another amount.")
