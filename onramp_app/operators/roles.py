"""Grants roles: the first admin by a command alone, every later role by an admin, never to themselves."""

import structlog
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import fields, sessions
from onramp_app.accounts.tables import User
from onramp_app.accounts.words import EndReason, Role
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import Forbidden, NotFound
from onramp_app.ledger import audit
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import ADMINS, Mandate, deciding, is_another, lock_roles

_log = structlog.get_logger(__name__)


async def grant_role(email: str, role: Role, *, mandate: Mandate | None = None) -> str:
    """Give the account a role. Returns the account's id.

    As long as there is no admin, anybody who can run commands grants roles; afterwards an admin does. With
    `FOUR_EYES_ABOVE` set a second operator confirms it, as soon as there is one: an admin who could make
    operators alone could be both pairs of eyes.

    All sessions of the account end with the change (OWASP: renew the session id after any privilege level
    change), and the person signs in again, because a command cannot hand a browser a new cookie. So nobody
    who shares an old session gains the new power.

    Raises:
        ValidationFailed: this is not an email address.
        NotFound: there is no such account.
        Forbidden: there is an admin and no mandate was given; or the account is the admin's own.
        ActionNotPossible: a mandate was given and the account has the role already; or the role gives more
            power, and the account's address was never confirmed.
        ValidationFailed, SecondOperatorNeeded: as `operators.deciding`.
    """
    email = fields.clean({"email": email})["email"]
    if mandate is None:
        user_id = await _grant_first(email, role)
    else:
        user_id = await _grant(email, role, mandate)
    _log.info("role granted", user_id=user_id, role=role.value)
    return user_id


async def _grant_first(email: str, role: Role) -> str:
    async with transaction() as db:
        await lock_roles(db)
        if await is_another(db, Role.ADMIN):
            raise Forbidden("There is an admin: an admin grants roles, with --by and --code.")
        user = await _found(db, email)
        _demand_proof(user, role)
        if user.role != role.value:
            audit.write(
                db,
                audit.Act.ROLE_GRANTED,
                actor=audit.COMMAND,
                subject=user.id,
                at=clock.now(),
                detail=await _change(db, user, role),
                address=audit.this_machine(),
            )
    return user.id


async def _grant(email: str, role: Role, mandate: Mandate) -> str:
    async with deciding(mandate, roles=ADMINS) as operator:
        user = await _found(operator.db, email)
        if user.role == role.value:
            raise ActionNotPossible(f"{user.email} has this role already.")
        _demand_proof(user, role)
        # A role has no worth to compare, so it needs a second operator wherever there is one.
        can_be_confirmed = await is_another(operator.db, Role.OPERATOR, Role.ADMIN, than=operator.id)
        deed = Deed(
            audit.Act.ROLE_GRANTED,
            user.id,
            concerns=frozenset({user.id}),
            moves=None if can_be_confirmed else (),
            state={"before": user.role, "after": role.value},
        )
        await operator.authorise(deed)
        operator.write_audit(at=clock.now(), detail=await _change(operator.db, user, role))
    return user.id


async def _found(db: AsyncSession, email: str) -> User:
    user = (await db.exec(select(User).where(User.email == email).with_for_update())).first()
    if user is None:
        raise NotFound("There is no account with this email.")
    return user


def _demand_proof(user: User, role: Role) -> None:
    """Refuse more power to an account whose address anybody may have typed: a stranger may have been first.

    Raises:
        ActionNotPossible: the role gives more power, and the address was never confirmed.
    """
    rank = list(Role)
    if rank.index(role) > rank.index(Role(user.role)) and user.email_confirmed_at is None:
        raise ActionNotPossible(
            f"{user.email} was never confirmed, so this may be a stranger's account. Its owner confirms the"
            " address by the mailed link first."
        )


async def _change(db: AsyncSession, user: User, role: Role) -> dict[str, object]:
    before, user.role, user.updated_at = user.role, role.value, clock.now()
    ended = await sessions.end_all_sessions(db, user.id, EndReason.ROLE_CHANGED)
    return {"before": before, "after": role.value, "sessions_ended": ended}
