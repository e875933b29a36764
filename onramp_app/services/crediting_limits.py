"""Our limits once more before money is credited: people change the amount in the widget, and pay late."""

from datetime import datetime
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import get_settings
from onramp_app.db.tables import User
from onramp_app.db.top_up_tables import TopUp
from onramp_app.domain.provider_errors import ProviderUnavailable
from onramp_app.services.limits import is_limited, left, tier_limits, used


async def exceeds_limits(
    session: AsyncSession, user: User, *, top_up: TopUp, paid: Decimal | None, at: datetime
) -> bool:
    """Say whether crediting would go over the limits of the user's tier. The user's row is locked.

    Args:
        top_up: what was paid; one that is in the ledger already was paid again, and counts by itself.
        paid: what was truly paid, in the currency the top-up was counted in; None: it cannot be told.

    What cannot be counted in the currency of the limits is over them: a person looks.
    """
    limits = get_settings().limits
    tier = tier_limits(limits, user.kyc_tier)
    if not is_limited(tier):
        return False
    if paid is None or top_up.base_currency != limits.currency:
        return True
    await session.flush()  # What the same transaction did before counts as well.
    already = await used(session, user.id, at=at, except_id=None if top_up.has_entry else top_up.id)
    try:
        rest = left(tier, already, rates={limits.currency: Decimal(1)})
    except ProviderUnavailable:
        return True
    return rest is not None and paid > rest
