"""Reports from the evidence: which networks cannot be read, and which delivered rule the provider follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.chain.evidence import AWAY_ALARM_AFTER
from onramp_app.db.engine import execute
from onramp_app.domain.decimals import decimals_of
from onramp_app.domain.environment import current_environment
from onramp_app.domain.money import decimal_text, from_minor

_AWAY = text("""
SELECT network, count(*) AS waiting, extract(epoch FROM now() - min(away_since)) AS seconds
  FROM chain_evidence
 WHERE away_since IS NOT NULL AND environment = :environment AND next_look_at IS NOT NULL
 GROUP BY network ORDER BY network
""")
# Ordered by our own ids, which follow time, so that only the first of very many deliveries are read.
_FIRST = text("""
SELECT o.order_id, o.bought_amount, o.gas_fee, c.amount_minor, s.scale, c.asset, c.network
  FROM chain_evidence c
  JOIN provider_orders o ON o.id = c.provider_order_id
  JOIN assets s ON s.code = c.asset
 WHERE c.environment = :environment AND c.state IN ('confirmed', 'differs') AND c.amount_minor IS NOT NULL
   AND o.bought_amount IS NOT NULL AND o.gas_fee > 0
 ORDER BY c.provider_order_id LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class AwayNetwork:
    """A network whose servers all fail: for how many seconds, and how many deliveries wait for it."""

    network: str
    seconds: int
    waiting: int

    @property
    def is_alarming(self) -> bool:
        """Whether the network has been unreadable for so long that a person must know."""
        return self.seconds >= AWAY_ALARM_AFTER.total_seconds()


async def away_networks(db: AsyncSession) -> list[AwayNetwork]:
    """Return the networks for which deliveries are waiting while no server answers."""
    rows = await execute(db, _AWAY, {"environment": current_environment().value})
    return [AwayNetwork(row.network, int(row.seconds), row.waiting) for row in rows]


@dataclass(frozen=True, slots=True)
class RuleFit:
    """Which `ONRAMP_DELIVERED_RULE` fits the first order that a network has shown; None: neither fits.

    Amounts are in whole units of `asset`: what arrived on the network, what was bought, the network fee.
    """

    order_id: str
    asset: str
    arrived: str
    bought: str
    fee: str
    rule: str | None


async def fitting_rule(db: AsyncSession) -> RuleFit | None:
    """Return which rule fits the first confirmed order with a fee; None while there is no such order."""
    row = (await execute(db, _FIRST, {"environment": current_environment().value})).one_or_none()
    if row is None:
        return None
    arrived = from_minor(int(row.amount_minor), scale=row.scale)
    # The provider may truncate its figures, so a difference of one unit in the last digit is tolerated.
    printed = min(decimals_of(row.asset, row.network) or 0, _digits(row.bought_amount), 8)
    slack = Decimal(1).scaleb(-printed)
    rules: Mapping[str, Decimal] = {
        "actual_minus_gas": row.bought_amount - row.gas_fee,
        "actual": row.bought_amount,
    }
    near = {rule: abs(arrived - amount) for rule, amount in rules.items()}
    best = min(near, key=lambda rule: near[rule])
    # If the fee is smaller than the slack, both rules would fit and nothing is proven.
    fits = near[best] <= slack and abs(near["actual"] - near["actual_minus_gas"]) > slack
    return RuleFit(
        row.order_id,
        row.asset,
        decimal_text(arrived),
        decimal_text(row.bought_amount),
        decimal_text(row.gas_fee),
        best if fits else None,
    )


def _digits(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
