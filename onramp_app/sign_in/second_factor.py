"""The second factor of an account: adding and removing one, signing in by passkey, proving oneself once more.

What changes the factors of an account asks for a proof of the last 15 minutes, and ends all other sessions of
the account (OWASP ASVS 5.0, sections 6.5 and 7.4).
"""

from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import links, passwords, sessions
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import User
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import EndReason, LinkPurpose
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import InvalidCredentials
from onramp_app.factors import authenticators, factors, passkeys, recovery_codes
from onramp_app.factors.errors import FactorNotPossible, PasskeyRefused, WrongCode
from onramp_app.factors.views import FactorView, NewAuthenticator
from onramp_app.factors.words import FactorKind
from onramp_app.ledger import audit
from onramp_app.mail.words import MailKind
from onramp_app.throttle import throttle

FIRST_STEP_LIFE = timedelta(minutes=10)
# As long as somebody takes who installs the app first.
BEGUN_FOR = timedelta(minutes=15)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Factors:
    """The factors of an account, and how many recovery codes are left."""

    items: tuple[FactorView, ...]
    recovery_codes_left: int


@dataclass(frozen=True, slots=True)
class AddedFactor:
    """A factor that counts from now on. With the first one come recovery codes, to be shown once."""

    factor_id: str
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)


async def list_factors(viewer: Viewer) -> Factors:
    """Return the viewer's factors, the newest first."""
    async with transaction() as db:
        items = await factors.list_factors(db, viewer.user_id)
        return Factors(tuple(items), await recovery_codes.left(db, viewer.user_id))


# Adding and removing.


async def begin_authenticator(viewer: Viewer) -> NewAuthenticator:
    """Make a secret for an authenticator app. It does not count before `confirm_authenticator`.

    Raises:
        RecentSignInRequired: the viewer proved who they are more than 15 minutes ago.
        RateLimited: too many changes today.
        Unauthenticated: the session has ended.
    """
    await throttle.attempt(throttle.CHANGE_FACTORS, viewer.user_id)
    async with transaction() as db:
        await _lock(db, viewer)
        await sessions.require_recent_proof(db, viewer)
        return await authenticators.begin(
            db, viewer.user_id, issuer=get_settings().app_name, label=viewer.email
        )


async def is_authenticator_begun(viewer: Viewer) -> bool:
    """Return whether an app was begun lately and waits for its code."""
    async with transaction() as db:
        return await authenticators.is_begun(db, viewer.user_id, since=clock.now() - BEGUN_FOR)


async def cancel_authenticator(viewer: Viewer) -> None:
    """Forget the app that was begun, if one was."""
    async with transaction() as db:
        await authenticators.cancel(db, viewer.user_id)


async def confirm_authenticator(viewer: Viewer, code: str, *, client: Client) -> AddedFactor:
    """Let the app count from now on, instead of an earlier one, and replace all recovery codes.

    Raises:
        WrongCode: the code is not one of the secret that was made last.
        RecentSignInRequired, RateLimited, Unauthenticated: as `begin_authenticator`.
    """
    await factors.count_guess(viewer.user_id, factors.in_session(viewer.session_id))
    async with transaction() as db:
        user = await _lock(db, viewer)
        await sessions.require_recent_proof(db, viewer)
        if not await authenticators.confirm(db, viewer.user_id, "".join(code.split())):
            raise WrongCode("The code is wrong. Check the clock of the phone, and enter the code shown now.")
        codes = await recovery_codes.renew(db, viewer.user_id)
        views = await factors.list_factors(db, viewer.user_id)
        app = next(view for view in views if view.kind == FactorKind.TOTP.value)
        await _note_change(db, user, viewer, act=audit.Act.FACTOR_ADDED, kind=FactorKind.TOTP, client=client)
    await factors.guessed_right(viewer.user_id, factors.in_session(viewer.session_id))
    return AddedFactor(app.factor_id, codes)


async def passkey_creation_options(viewer: Viewer) -> str:
    """Return what the browser makes a passkey by, as JSON.

    Raises:
        FactorNotPossible: there are too many passkeys.
        RecentSignInRequired, RateLimited, Unauthenticated: as `begin_authenticator`.
    """
    await throttle.attempt(throttle.CHANGE_FACTORS, viewer.user_id)
    async with transaction() as db:
        await sessions.require_recent_proof(db, viewer)
        return await passkeys.creation_options(
            db, viewer.user_id, email=viewer.email, display_name=viewer.display_name
        )


async def add_passkey(viewer: Viewer, answer: str, *, name: str, client: Client) -> AddedFactor:
    """Keep the passkey that the browser has made. The arguments are those of `passkeys.add`.

    Raises:
        PasskeyRefused: the answer describes no passkey made for this account just now.
        FactorNotPossible: the passkey is known already, or there are too many.
        RecentSignInRequired, Unauthenticated: as `begin_authenticator`.
    """
    async with transaction() as db:
        user = await _lock(db, viewer)
        await sessions.require_recent_proof(db, viewer)
        is_first = not await factors.has_factor(db, viewer.user_id)
        factor_id = await passkeys.add(db, viewer.user_id, answer=answer, name=name)
        codes = await recovery_codes.renew(db, viewer.user_id) if is_first else ()
        await _note_change(
            db, user, viewer, act=audit.Act.FACTOR_ADDED, kind=FactorKind.PASSKEY, client=client
        )
    return AddedFactor(factor_id, codes)


async def remove_factor(viewer: Viewer, factor_id: str, *, client: Client) -> None:
    """Remove a factor; with the last one the recovery codes go too.

    Raises:
        NotFound: the viewer has no such factor.
        RecentSignInRequired, Unauthenticated: as `begin_authenticator`.
    """
    async with transaction() as db:
        user = await _lock(db, viewer)
        await sessions.require_recent_proof(db, viewer)
        kind = await factors.remove(db, viewer.user_id, factor_id)
        await _note_change(db, user, viewer, act=audit.Act.FACTOR_REMOVED, kind=kind, client=client)


async def renew_recovery_codes(viewer: Viewer, *, client: Client) -> tuple[str, ...]:
    """Replace all recovery codes, and return the new ones, to be shown once.

    Raises:
        FactorNotPossible: the viewer has no factor that codes could stand in for.
        RecentSignInRequired, RateLimited, Unauthenticated: as `begin_authenticator`.
    """
    await throttle.attempt(throttle.CHANGE_FACTORS, viewer.user_id)
    async with transaction() as db:
        user = await _lock(db, viewer)
        await sessions.require_recent_proof(db, viewer)
        if not await factors.has_factor(db, viewer.user_id):
            raise FactorNotPossible("Add an authenticator app or a passkey first.")
        codes = await recovery_codes.renew(db, viewer.user_id)
        _write(db, viewer, audit.Act.RECOVERY_CODES_RENEWED, {}, client)
        await _write_mail(db, user, client, change="codes")
    return codes


async def _lock(db: AsyncSession, viewer: Viewer) -> User:
    # Changes of one account take turns, so that the first factor is the first and the last the last.
    return (await db.exec(select(User).where(User.id == viewer.user_id).with_for_update())).one()


async def _note_change(  # noqa: PLR0913 - what was changed, by whom, from where
    db: AsyncSession, user: User, viewer: Viewer, *, act: audit.Act, kind: FactorKind, client: Client
) -> None:
    ended = await sessions.end_other_sessions(db, viewer, EndReason.FACTORS_CHANGED)
    _write(db, viewer, act, {"kind": kind.value, "sessions_ended": ended}, client)
    change = "added" if act is audit.Act.FACTOR_ADDED else "removed"
    await _write_mail(db, user, client, change=change)
    _log.info("second factors changed", user_id=user.id, act=act.value, kind=kind.value)


async def _write_mail(db: AsyncSession, user: User, client: Client, *, change: str) -> None:
    await links.write_mail(
        db,
        user,
        MailKind.FACTORS_CHANGED,
        purpose=LinkPurpose.NOT_ME,
        details=links.done_by(client) | {"change": change},
    )


def _write(
    db: AsyncSession, viewer: Viewer, act: audit.Act, detail: dict[str, object], client: Client
) -> None:
    audit.write(
        db,
        act,
        actor=viewer.user_id,
        subject=viewer.user_id,
        at=clock.now(),
        detail={"session_id": viewer.session_id, **detail},
        address=client.address,
    )


# Proving oneself.


async def prove(viewer: Viewer, password: str, code: str) -> None:
    """Keep that the viewer has just shown the password and, where there is a second factor, a code.

    Raises:
        InvalidCredentials: the password or the code is wrong.
        OtpRequired: the code is missing.
        RateLimited: too many attempts.
    """
    # By session, as for a change of the password: a thief in a stolen session does not lock the owner out.
    await throttle.attempt_guess(throttle.PASSWORD, viewer.session_id)
    async with transaction() as db:
        password_hash = (await db.exec(select(User.password_hash).where(User.id == viewer.user_id))).first()
    is_right, _new_hash = await passwords.verify_password(password, password_hash)
    if not is_right:
        raise InvalidCredentials("The password is wrong.")
    await throttle.guessed_right(throttle.PASSWORD, viewer.session_id)
    if code:
        await factors.count_guess(viewer.user_id, factors.in_session(viewer.session_id))
    async with transaction() as db:
        await factors.demand(db, viewer.user_id, code)
        await sessions.note_proof(db, viewer)
    if code:
        await factors.guessed_right(viewer.user_id, factors.in_session(viewer.session_id))


async def prove_by_passkey(viewer: Viewer, answer: str) -> None:
    """Keep that the viewer has just used one of their passkeys.

    Raises:
        PasskeyRefused: the answer proves nothing, or is of somebody else's passkey.
    """
    async with transaction() as db:
        if await passkeys.owner_of(db, answer) != viewer.user_id:
            raise PasskeyRefused("This passkey belongs to another account.")
        await _lock(db, viewer)
        await passkeys.prove(db, answer)
        await sessions.note_proof(db, viewer)
