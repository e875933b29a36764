"""The people of a program: whom it knows, by names of its own. Nobody else exists for it."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.db.engine import transaction
from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import is_id
from onramp_app.programs.tables import ProgramUser
from onramp_app.programs.views import Program, ProgramPerson


async def get(program: Program, user_id: str) -> ProgramPerson:
    """Return a person of the program. Raises as `require`."""
    async with transaction() as db:
        return await require(db, program.id, user_id)


async def require(db: AsyncSession, program_id: str, user_id: str) -> ProgramPerson:
    """Return a person of the program, in the caller's transaction.

    Raises:
        NotFound: there is no such account, or the program does not know it.
    """
    if is_id(user_id):
        query = (
            select(ProgramUser, User)
            .join(User, col(User.id) == col(ProgramUser.user_id))
            .where(ProgramUser.program_id == program_id, ProgramUser.user_id == user_id)
        )
        if found := (await db.exec(query)).first():
            return _view(*found)
    raise NotFound("There is no such person of this program.")


def _view(known: ProgramUser, user: User) -> ProgramPerson:
    return ProgramPerson(
        user_id=user.id,
        external_id=known.external_id,
        country=user.country,
        display_currency=user.display_currency,
        created_at=known.created_at,
    )
