"""Give top-ups that were made while no limits applied their amount in the currency of the limits.

Each gets the rate nearest in time to its creation: that of another top-up in its currency, which keeps the
rate of its own day, or the last known price. Without any rate it stays empty, and is computed when it is
needed. A downgrade leaves the amounts: they are what the older version would have written itself.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# One rate per day and currency, so that a long history is filled from a small table. If no top-up has a base
# amount yet, US dollars are as good as any currency: the rates convert them to another one.
FILL = """
WITH base AS (
    SELECT e.environment, coalesce(
               (SELECT t.base_currency FROM top_ups t
                 WHERE t.environment = e.environment AND t.base_currency IS NOT NULL
                 ORDER BY t.created_at DESC LIMIT 1), 'USD') AS currency
      FROM (SELECT DISTINCT environment FROM top_ups) e
), known AS (
    SELECT DISTINCT ON (t.environment, t.fiat_currency, date_trunc('day', t.created_at, 'UTC'))
           t.environment, t.fiat_currency, t.created_at AS at, t.base_amount / t.fiat_amount AS rate
      FROM top_ups t JOIN base b ON b.environment = t.environment AND b.currency = t.base_currency
     WHERE t.fiat_amount > 0 AND t.base_amount > 0
     ORDER BY t.environment, t.fiat_currency, date_trunc('day', t.created_at, 'UTC'), t.created_at
), prices AS (
    SELECT p.environment, p.symbol AS fiat_currency, least(p.as_of, b_price.as_of) AS at,
           b_price.per_stable / p.per_stable AS rate
      FROM exchange_rates p
      JOIN base b ON b.environment = p.environment
      JOIN exchange_rates b_price ON b_price.environment = b.environment AND b_price.symbol = b.currency
), rates AS (
    SELECT * FROM known UNION ALL SELECT * FROM prices
    UNION ALL SELECT environment, currency, now(), 1 FROM base
), days AS (
    SELECT DISTINCT environment, fiat_currency, date_trunc('day', created_at, 'UTC') AS day
      FROM top_ups WHERE base_amount IS NULL
), nearest AS (
    SELECT d.environment, d.fiat_currency, d.day, b.currency, r.rate
      FROM days d
      JOIN base b ON b.environment = d.environment
     CROSS JOIN LATERAL (
           SELECT rate FROM rates
            WHERE rates.environment = d.environment AND rates.fiat_currency = d.fiat_currency
            ORDER BY abs(extract(epoch FROM rates.at - d.day)) LIMIT 1) r
)
UPDATE top_ups t
   SET base_amount = t.fiat_amount * n.rate, base_currency = n.currency
  FROM nearest n
 WHERE t.base_amount IS NULL AND t.environment = n.environment AND t.fiat_currency = n.fiat_currency
   AND date_trunc('day', t.created_at, 'UTC') = n.day
"""


def upgrade() -> None:
    op.execute(FILL)


def downgrade() -> None:
    pass
