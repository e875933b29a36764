"""The time of the database. Processes run on machines with clocks of their own, which may be wrong or be set.

What one process writes down and another one compares with its own time is measured by this one clock.
"""

from datetime import datetime

from sqlalchemy import DateTime, Function
from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import transaction


def moment() -> Function[datetime]:
    """Return the moment as a part of a statement: that in which the row is looked at."""
    return func.clock_timestamp(type_=DateTime(timezone=True))


async def moment_of(db: AsyncSession) -> datetime:
    """Return the moment of a transaction's statement, aware."""
    return (await db.exec(select(moment()))).one()


async def database_time() -> datetime:
    """Return the moment, in a transaction of its own. Raises `DatabaseUnavailable`."""
    async with transaction() as db:
        return await moment_of(db)
