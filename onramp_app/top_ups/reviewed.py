"""Begins the top-up of a review that somebody looked at: once, however often they confirm it."""

import asyncio
import hashlib
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app import idempotency
from onramp_app.accounts.views import Viewer
from onramp_app.idempotency import KeptAnswer
from onramp_app.pricing.quotes import PurchaseRequest
from onramp_app.top_ups import top_ups
from onramp_app.top_ups.views import TopUpView

_CREATED = 201


async def begin(viewer: Viewer, request: PurchaseRequest, *, expected_amount: Decimal, review: str) -> str:
    """Begin a top-up, or find the one that was begun when the same review was confirmed before.

    Args:
        expected_amount: what the review said will arrive. Another price does not make it another review.
        review: the id of the review, at most 50 visible ASCII characters; another review, another top-up.

    Returns:
        The top-up's id.

    Raises:
        IdempotencyInProgress: the first confirmation is being worked on, or it broke off within two minutes.
        DatabaseUnavailable: it may have begun or not; the same review finds out.
        Everything else that `top_ups.create` raises: nothing was begun.
    """
    shown = hashlib.sha256(str(request).encode()).digest()
    claimed = await idempotency.claim(viewer.user_id, f"review-{review}", request_hash=shown)
    if isinstance(claimed, KeptAnswer):
        return claimed.body

    async def keep(db: AsyncSession, view: TopUpView) -> None:
        await idempotency.keep(db, claimed, KeptAnswer(_CREATED, view.id))

    try:
        view = await top_ups.create(viewer, request, expected_amount=expected_amount, on_created=keep)
    except BaseException:
        # Shielded, because it may be the cancellation of this very event.
        await asyncio.shield(idempotency.give_up(claimed))
        raise
    return view.id
