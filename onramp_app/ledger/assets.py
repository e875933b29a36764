"""The assets of the books, each with its scale, which is fixed when the operator first enables the asset."""

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import ConfigurationError, get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.decimals import scale_of
from onramp_app.ledger.tables import Asset

_SCALES = select(col(Asset.code), col(Asset.scale))
_log = structlog.get_logger(__name__)


async def enable_assets() -> None:
    """Add a row for every new asset of `ASSETS`. Run at the start, before anything is offered.

    Raises:
        ConfigurationError: the number of decimals of an asset on one of its networks is not known.
    """
    wanted: dict[str, int] = {}
    for code, networks in get_settings().assets.items():
        scale = scale_of(code, networks)
        if scale is None:
            raise ConfigurationError(
                f"ASSETS names {code} on a network where its number of decimals is not known."
            )
        wanted[code] = scale
    async with transaction() as db:
        rows = [{"code": code, "scale": scale, "created_at": clock.now()} for code, scale in wanted.items()]
        await db.exec(insert(Asset).values(rows).on_conflict_do_nothing())
        fixed = await scales(db)
    for code, scale in wanted.items():
        if fixed[code] < scale:
            # An amount with more decimals than its asset's scale is never rounded: a person looks at it.
            _log.warning("asset has fewer decimals than a network", asset=code, scale=fixed[code])


async def scales(db: AsyncSession) -> dict[str, int]:
    """Return the number of decimals of each asset of the books. There are a handful."""
    return dict((await db.exec(_SCALES)).all())
