"""The table of exchange rates: the latest price of each currency and asset, with its age."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Column, Text
from sqlmodel import Field

from onramp_app.db.columns import Row, decimal, moment, one_of
from onramp_app.domain.environment import Environment


class ExchangeRate(Row, table=True):
    """What one unit of the stable asset cost, in one currency or asset, at one moment. Not anybody's money.

    Limits are counted with these rates, so a simulator's made-up prices are kept apart by `environment`.
    """

    __tablename__ = "exchange_rates"
    __table_args__ = (
        one_of("environment", Environment),
        CheckConstraint("symbol ~ '^[A-Z0-9]{2,10}$'", name="symbol"),
        # NaN and infinity would pass "above zero".
        CheckConstraint("per_stable > 0 AND per_stable < 'Infinity'::numeric", name="per_stable"),
    )

    environment: str = Field(sa_column=Column(Text, primary_key=True))
    symbol: str = Field(sa_column=Column(Text, primary_key=True))
    per_stable: Decimal = Field(sa_column=decimal(nullable=False))
    as_of: datetime = Field(sa_column=moment())
