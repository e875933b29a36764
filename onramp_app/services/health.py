"""Whether this instance can do its work, each part with its reason."""

from dataclasses import dataclass

from onramp_app.db import engine
from onramp_app.db.migrate import schema_is_current
from onramp_app.domain.errors import DatabaseUnavailable


@dataclass(frozen=True, slots=True)
class Check:
    """The state of one part; `reason` is empty when it is well."""

    name: str
    is_well: bool
    reason: str = ""


async def readiness() -> list[Check]:
    """Return the state of each part that requests depend on. Never raises for a part that is down."""
    try:
        async with engine.transaction() as session:
            current = await schema_is_current(session)
    except DatabaseUnavailable as error:
        return [Check("database", is_well=False, reason=error.detail)]
    return [
        Check("database", is_well=True),
        Check(
            "migrations",
            is_well=current,
            reason="" if current else "The schema is not the one this release expects.",
        ),
    ]
