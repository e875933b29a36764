"""Records which of the provider's lists were walked lately, so that the next reader walks the others."""

from sqlalchemy import text

from onramp_app.db.engine import execute, transaction
from onramp_app.domain.environment import current_environment
from onramp_app.provider_orders.walks import Walk, history_walks

_LATELY = text("""
SELECT flow, fiat_type FROM history_walks
 WHERE environment = :environment AND walked_at > clock_timestamp() - :seconds * interval '1 second'
""")
_WALKED = text("""
INSERT INTO history_walks (environment, flow, fiat_type, walked_at)
VALUES (:environment, :flow, :fiat_type, clock_timestamp())
    ON CONFLICT (environment, flow, fiat_type) DO UPDATE SET walked_at = excluded.walked_at
""")


async def due_history(every_seconds: float) -> list[Walk]:
    """Return the walks over ONRAMP_HISTORY_DAYS that were not made within `every_seconds`.

    Raises:
        DatabaseUnavailable: the walks could not be looked up.
    """
    values = {"environment": current_environment().value, "seconds": every_seconds}
    async with transaction() as db:
        rows = await execute(db, _LATELY, values)
        lately = {(row.flow, row.fiat_type) for row in rows}
    return [walk for walk in await history_walks() if (walk.flow.value, walk.fiat_type) not in lately]


async def note_walked(walk: Walk) -> None:
    """Record that a walk was made to its end, or as far as the provider allowed.

    Raises:
        DatabaseUnavailable: the walk was not noted and will be made again.
    """
    values = {
        "environment": current_environment().value,
        "flow": walk.flow.value,
        "fiat_type": walk.fiat_type,
    }
    async with transaction() as db:
        await execute(db, _WALKED, values)
