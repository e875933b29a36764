"""How long payments usually take, measured over the latest settled top-ups of all users."""

import time

from sqlalchemy import text

from onramp_app.db.engine import execute, transaction
from onramp_app.domain.environment import current_environment

LOOKED_AT = 200
LEAST_NUMBER = 5  # Fewer say little, and might all be one person's.
SHARE = 0.8
KEPT_SECONDS = 60
_MAX_KEPT = 500  # The provider has fewer methods; made-up codes must not fill the memory.

# A top-up that was never seen as paid is left out: how long it took is unknown.
_LATEST = text("""
SELECT count(*), percentile_disc(:share) WITHIN GROUP (ORDER BY settled_at - paid_at)
  FROM (SELECT t.settled_at,
               (SELECT min(s.at) FROM top_up_steps s
                 WHERE s.top_up_id = t.id AND s.status = 'processing') AS paid_at
          FROM top_ups t
         WHERE t.environment = :environment AND t.payment_method = :payment_method
           AND t.status = 'settled'
         ORDER BY t.settled_at DESC LIMIT :looked_at) latest
 WHERE paid_at IS NOT NULL
""")

_kept: dict[tuple[str, str], tuple[float, int | None]] = {}


def forget() -> None:
    """Clear the cached times, so that the next call reads the database."""
    _kept.clear()


async def usual_minutes(payment_method: str) -> int | None:
    """Return within how many minutes 8 of 10 recent payments were settled, counted from when they were paid.

    Args:
        payment_method: a method's code, such as `UPI`. Its last 200 settled top-ups of all users count.

    Returns:
        A whole number of at least 1; None while fewer than 5 are known. Cached for a minute.

    Raises:
        DatabaseUnavailable: the top-ups could not be read.
    """
    key = current_environment().value, payment_method
    kept = _kept.get(key)
    if kept is not None and time.monotonic() - kept[0] < KEPT_SECONDS:
        return kept[1]
    values = {
        "environment": key[0],
        "payment_method": payment_method,
        "share": SHARE,
        "looked_at": LOOKED_AT,
    }
    async with transaction() as db:
        number, took = (await execute(db, _LATEST, values)).one()
    minutes = int(took.total_seconds()) // 60 + 1 if number >= LEAST_NUMBER else None
    if len(_kept) >= _MAX_KEPT:
        _kept.clear()
    _kept[key] = time.monotonic(), minutes
    return minutes
