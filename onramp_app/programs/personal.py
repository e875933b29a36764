"""What is held about a person as the person of programs: shown in their file, gone with their account."""

from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.personal import Part
from onramp_app.programs.tables import ProgramUser

PROGRAMS = Part(
    name="programs",
    shows={
        "name": "programs.name",
        "external_id": "program_users.external_id",
        "created_at": "program_users.created_at",
        "low_asset": "program_users.low_asset",
    },
    amounts={"low": "program_users.low_minor"},
    source="program_users JOIN programs ON programs.id = program_users.program_id"
    " LEFT JOIN assets ON assets.code = program_users.low_asset",
    whose="program_users.user_id = :user_id",
    order=("program_users.created_at", "program_users.program_id"),
)


async def forget(db: AsyncSession, user_id: str) -> None:
    """Let no program know an account any more."""
    await db.exec(delete(ProgramUser).where(col(ProgramUser.user_id) == user_id))
