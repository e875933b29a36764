"""Reads a person's last settled top-up: the choices that are needed to offer the same again."""

from collections.abc import Collection

from sqlalchemy import select, true
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.each import EACH, EACH_ID
from onramp_app.db.engine import execute
from onramp_app.domain.money import decimal_text
from onramp_app.providers.connection import ADAPTER
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.wallet.views import LastTopUpView

_newest = (
    select(
        col(TopUp.fiat_amount),
        col(TopUp.fiat_currency),
        col(TopUp.fiat_type),
        col(TopUp.asset),
        col(TopUp.network),
        col(TopUp.payment_method),
    )
    .where(col(TopUp.user_id) == EACH_ID, col(TopUp.status) == TopUpStatus.SETTLED.value)
    .order_by(col(TopUp.settled_at).desc())
    .limit(1)
    .lateral("newest")
)
# Built once: building a query takes longer than running it.
_LAST_OF_EACH = select(EACH_ID.label("user_id"), _newest).select_from(EACH).join(_newest, true())


async def read(db: AsyncSession, user_ids: Collection[str]) -> dict[str, LastTopUpView]:
    """Return the last settled top-up of each user; users without one are missing."""
    rows = (await execute(db, _LAST_OF_EACH, {"ids": list(user_ids)})).all()
    return {
        row.user_id: LastTopUpView(
            fiat_amount=decimal_text(row.fiat_amount),
            fiat_currency=row.fiat_currency,
            country=_country_of(row.fiat_type),
            asset=row.asset,
            network=row.network,
            payment_method=row.payment_method,
        )
        for row in rows
    }


def _country_of(fiat_type: int) -> str:
    row = ADAPTER.fiat_types.get(fiat_type)
    return row.country if row else ""
