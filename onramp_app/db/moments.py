"""The database's clock. Processes run on machines with their own clocks, which may be wrong or be adjusted.

Times that one process stores and another compares with its own present are all taken from this one clock.
"""

from datetime import datetime

from sqlalchemy import DateTime, Function
from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import transaction


def moment() -> Function[datetime]:
    """Return an SQL expression for the database's present time, evaluated anew for each row."""
    return func.clock_timestamp(type_=DateTime(timezone=True))


async def moment_of(db: AsyncSession) -> datetime:
    """Return the database's present time (aware), read within a transaction."""
    return (await db.exec(select(moment()))).one()


async def database_time() -> datetime:
    """Return the database's present time, read in its own transaction. Raises `DatabaseUnavailable`."""
    async with transaction() as db:
        return await moment_of(db)
