"""The second factors of an account together: their list, and whether a code is right."""

from datetime import datetime

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import is_id
from onramp_app.factors import authenticators, passkeys, recovery_codes
from onramp_app.factors.errors import OtpRequired, WrongCode
from onramp_app.factors.tables import Authenticator, Passkey
from onramp_app.factors.views import FactorView
from onramp_app.factors.words import FactorKind
from onramp_app.throttle import throttle

MAX_CODE_LENGTH = 32
# Places of codes that are counted together: all who show the password, and all who open a mailed link.
ELSEWHERE, MAILBOX = "elsewhere", "mailbox"


async def has_factor(db: AsyncSession, user_id: str) -> bool:
    """Return whether the account has a second factor. Recovery codes alone are none."""
    return bool(await list_factors(db, user_id))


async def list_factors(db: AsyncSession, user_id: str) -> list[FactorView]:
    """Return the factors that count, the newest first."""
    apps = await db.exec(
        select(Authenticator).where(
            Authenticator.user_id == user_id, col(Authenticator.confirmed_at).is_not(None)
        )
    )
    views = [
        FactorView(row.id, FactorKind.TOTP.value, "", row.made_at, row.last_used_at) for row in apps.all()
    ]
    keys = await db.exec(select(Passkey).where(Passkey.user_id == user_id))
    views += [
        FactorView(row.id, FactorKind.PASSKEY.value, row.name, row.made_at, row.last_used_at)
        for row in keys.all()
    ]
    return sorted(views, key=lambda view: view.factor_id, reverse=True)


async def guarded_since(db: AsyncSession, user_id: str) -> datetime | None:
    """Return since when every sign-in to the account has needed a factor; None where it needs none."""
    apps = await db.exec(
        select(Authenticator.confirmed_at).where(
            Authenticator.user_id == user_id, col(Authenticator.confirmed_at).is_not(None)
        )
    )
    keys = await db.exec(select(Passkey.made_at).where(Passkey.user_id == user_id))
    return min((at for at in (*apps.all(), *keys.all()) if at is not None), default=None)


async def count_guess(user_id: str, place: str = ELSEWHERE) -> None:
    """Count a code that is about to be checked, before the transaction of the check.

    Args:
        user_id: whose code it is said to be.
        place: from where it comes. Codes from one place use up no attempt of another: who has the password
            alone keeps nobody from a place that only the owner has.

    Raises:
        RateLimited: too many wrong codes for this account from this place.
    """
    await throttle.attempt_guess(throttle.SECOND_FACTOR, user_id, place)


async def guessed_right(user_id: str, place: str = ELSEWHERE) -> None:
    """Forget the wrong codes for the account from a place: the last one was right."""
    await throttle.guessed_right(throttle.SECOND_FACTOR, user_id, place)


def in_session(session_id: str) -> str:
    """Return the place of codes that are typed in a session, which is counted by itself."""
    return f"session {session_id}"


async def demand(db: AsyncSession, user_id: str, code: str) -> None:
    """Refuse to go on without a right code of an app or a recovery code, where the account has a factor.

    The caller has counted the guess (`count_guess`). A right code is spent in the caller's transaction.

    Raises:
        OtpRequired: there is a factor, and no code was given.
        WrongCode: the code is wrong, too old, or was used before.
    """
    if not await has_factor(db, user_id):
        return
    if not code:
        raise OtpRequired("Enter the code of your authenticator app, or a recovery code.")
    if not await _is_right(db, user_id, code):
        raise WrongCode("The code is wrong or was used before.")


async def _is_right(db: AsyncSession, user_id: str, code: str) -> bool:
    typed = "".join(code[:MAX_CODE_LENGTH].split())
    if len(typed) == authenticators.DIGITS and typed.isascii() and typed.isdigit():
        return await authenticators.check(db, user_id, typed)
    return await recovery_codes.check(db, user_id, typed)


async def remove(db: AsyncSession, user_id: str, factor_id: str) -> FactorKind:
    """Delete a factor, and the recovery codes with the last one. Returns what it was.

    Raises:
        NotFound: the account has no such factor.
    """
    if not is_id(factor_id):
        raise NotFound("There is no such factor.")
    for table, kind in ((Authenticator, FactorKind.TOTP), (Passkey, FactorKind.PASSKEY)):
        gone = await db.exec(delete(table).where(col(table.user_id) == user_id, col(table.id) == factor_id))
        if gone.rowcount:
            if not await has_factor(db, user_id):
                await recovery_codes.forget(db, user_id)
            return kind
    raise NotFound("There is no such factor.")


async def remove_all(db: AsyncSession, user_id: str) -> None:
    """Delete every factor and recovery code of the account."""
    await db.exec(delete(Authenticator).where(col(Authenticator.user_id) == user_id))
    await passkeys.forget(db, user_id)
    await recovery_codes.forget(db, user_id)
