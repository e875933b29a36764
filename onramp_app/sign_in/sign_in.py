"""Signing in: the password, then the second factor where there is one, then the session."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import devices, fields, links, passwords, sessions, tokens
from onramp_app.accounts.accounts import Opened, OpenSession
from onramp_app.accounts.sessions import BrowserSession, Client
from onramp_app.accounts.tables import AuthSession, User
from onramp_app.accounts.tokens import Claims, TokenType
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import InvalidCredentials, Unauthenticated
from onramp_app.domain.networks import network_of
from onramp_app.factors import factors, passkeys, resets
from onramp_app.factors.errors import PasskeyRefused, WrongCode
from onramp_app.ledger import audit
from onramp_app.throttle import throttle

FIRST_STEP_LIFE = timedelta(minutes=10)
_SENT_TWICE = timedelta(seconds=30)
_UNPROVED_DEVICES = "devices without a factor"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whose password was right a moment ago; a second factor may still be missing."""

    user_id: str
    password_hash: str = field(repr=False)
    new_hash: str | None = field(default=None, repr=False)  # of today's parameters, where they differ


async def sign_in(
    email: str, password: str, client: Client, open_session: OpenSession[Opened], *, code: str = ""
) -> Opened:
    """Open a session for a person who knows the password and has the second factor, if there is one.

    Args:
        email: as typed.
        password: as typed.
        client: where the attempt comes from.
        open_session: opens the session in the transaction of the sign-in.
        code: of the authenticator app, or a recovery code; ignored for accounts without a second factor.

    Raises:
        InvalidCredentials: email and password do not belong together, or the code is wrong.
        OtpRequired: the password is right, and the code is missing.
        RateLimited: too many attempts.
    """
    return await open_known(await check_password(email, password, client), client, open_session, code=code)


async def check_password(email: str, password: str, client: Client) -> Known:
    """Return who it is that knows the password.

    An unknown email gets the same answer in the same time as a wrong password. Attempts are counted for
    the account and address before they are made, and failures for the account from everywhere; the right
    password clears the count of attempts. On a device that the account knows, attempts are counted for that
    device alone and hashed in threads of their own: nobody elsewhere can use up the attempts of the owner.

    Raises:
        InvalidCredentials: email and password do not belong together.
        RateLimited: too many attempts.
    """
    try:
        known_as = fields.clean_email(email)
    except ValueError:
        known_as = ""  # No account has this address; the answer is that for any unknown one.
    name = _name_for_counting(email, known_as)
    device, found = devices.read_device(client.cookie_header), None
    if device and (found := await _find(known_as)) and device.is_known_to(*found):
        who = (name, f"device {device.id}")
        await throttle.attempt_guess(throttle.SIGN_IN, *who)
    else:
        device = None
        who = (name, network_of(client.address))
        await throttle.attempt(throttle.SIGN_IN_FROM_ADDRESS, who[1])
        await throttle.refuse_if_spent(throttle.SIGN_IN_TO_ACCOUNT, name)
        await throttle.attempt_guess(throttle.SIGN_IN, *who)
        found = await _find(known_as)

    password_hash = found[1] if found else None
    lane = passwords.KNOWN_DEVICES if device else passwords.EVERYBODY
    is_right, new_hash = await passwords.verify_password(password, password_hash, lane=lane)
    if not is_right or found is None:
        if device is None:
            await throttle.failed(throttle.SIGN_IN_TO_ACCOUNT, name)
        _log.info("sign-in refused", address=client.address)
        raise InvalidCredentials("Email or password is wrong.")
    await throttle.guessed_right(throttle.SIGN_IN, *who)
    return Known(*found, new_hash)


async def open_known(
    known: Known, client: Client, open_session: OpenSession[Opened], *, code: str = ""
) -> Opened:
    """Open a session for somebody who has shown the password. The arguments are those of `sign_in`.

    Raises:
        InvalidCredentials: the password has changed meanwhile, or the code is wrong.
        OtpRequired: the account has a second factor, and the code is missing.
        RateLimited: too many wrong codes for this account; a known device is counted by itself.
    """
    place = await _place_of(known, client) if code else ""
    if code:
        await factors.count_guess(known.user_id, place)
    try:
        async with transaction() as db:
            # Read again under a lock: the password may have changed while this one was being verified.
            query = select(User).where(User.id == known.user_id, User.password_hash == known.password_hash)
            user = (await db.exec(query.with_for_update())).first()
            if user is None:
                raise InvalidCredentials("Email or password is wrong.")
            await resets.do_if_due(db, user.id, address=client.address)
            await factors.demand(db, user.id, code)
            await resets.cancel(db, user.id, address=client.address)
            if known.new_hash is not None:
                user.password_hash = known.new_hash
            opened = await _open(db, user, client, open_session)
    except WrongCode:
        await _note_wrong_code(known.user_id, client, place)
        raise
    if code:
        await factors.guessed_right(known.user_id, place)
    return opened


async def _place_of(known: Known, client: Client) -> str:
    """Return with which others the codes of a client are counted: a known device by itself.

    A device that was known before the account had a factor may be that of somebody who had the password
    alone, and who may have made any number of them. All these are counted together.
    """
    device = devices.read_device(client.cookie_header)
    if device is None or not device.is_known_to(known.user_id, known.password_hash):
        return factors.ELSEWHERE
    async with transaction() as db:
        since = await factors.guarded_since(db, known.user_id)
    is_proved = device.is_known_to(known.user_id, known.password_hash, since=since)
    return f"device {device.id}" if is_proved else _UNPROVED_DEVICES


async def sign_in_by_passkey(answer: str, client: Client, open_session: OpenSession[Opened]) -> Opened:
    """Open a session for the person whose passkey has answered: it stands for password and second factor.

    Raises:
        PasskeyRefused: the answer proves nothing; or the owner has locked the account and set no new password
            since; or the passkey was to be removed, as an operator asked for, and now is.
        RateLimited: too many attempts from this address.
    """
    await throttle.attempt(throttle.SIGN_IN_FROM_ADDRESS, network_of(client.address))
    async with transaction() as db:
        # The account before its passkey, as those who change the factors take the locks.
        named = await passkeys.owner_of(db, answer)
        user = (await db.exec(select(User).where(User.id == named).with_for_update())).one()
        await passkeys.prove(db, answer)
        if user.closed_at is not None:  # meanwhile
            raise PasskeyRefused("This passkey belongs to no account any more.")
        # A thief may have added it before the owner locked the account. Nothing of it is deleted, so a thief
        # of the mailbox, who can lock the account too, removes no factor by that.
        if passwords.is_useless(user.password_hash):
            raise PasskeyRefused("Set a new password first. The link is in your email.")
        if not await resets.do_if_due(db, user.id, address=client.address):
            await resets.cancel(db, user.id, address=client.address)
            return await _open(db, user, client, open_session)
    raise PasskeyRefused("This passkey was removed. Sign in with your password.")


async def _open(db: AsyncSession, user: User, client: Client, open_session: OpenSession[Opened]) -> Opened:
    """Open the session, and tell the owner where it is on a device that the account does not know."""
    device = devices.read_device(client.cookie_header)
    is_known = device is not None and device.is_known_to(user.id, user.password_hash)
    is_new = not is_known and not await sessions.is_known_place(db, user.id, client)
    opened = await open_session(db, user, client)
    if not is_known and isinstance(opened, BrowserSession):
        await audit.write_own(
            db,
            audit.Act.NEW_DEVICE,
            actor=user.id,
            user_id=user.id,
            at=clock.now(),
            detail={"session_id": opened.viewer.session_id},
            address=client.address,
        )
    if is_new:
        await links.write_new_device(db, user, client=client)
    return opened


async def _note_wrong_code(user_id: str, client: Client, place: str) -> None:
    """Keep that somebody who knows the password has no right code: the owner wants to know.

    It is their own slip on a device that they signed in on with a factor, and where they have just signed in:
    a form that is sent twice brings a code that was used. No mail is written of these.
    """
    _log.warning("a second factor was refused", user_id=user_id, address=client.address)
    async with transaction() as db:
        user = (await db.exec(select(User).where(User.id == user_id).with_for_update())).one()
        is_own = place not in (factors.ELSEWHERE, _UNPROVED_DEVICES)
        if not is_own and user.closed_at is None and not await _is_just_in(db, user_id, client):
            await links.write_factor_refused(db, user, client=client)
        await audit.write_own(
            db,
            audit.Act.FACTOR_REFUSED,
            actor=user_id,
            user_id=user_id,
            at=clock.now(),
            detail={"device": devices.kept_words(client.user_agent)},
            address=client.address,
        )


async def _is_just_in(db: AsyncSession, user_id: str, client: Client) -> bool:
    """Return whether the account was signed in to from this address, in the same program, a moment ago."""
    query = select(AuthSession.id).where(
        AuthSession.user_id == user_id,
        AuthSession.address == client.address[:45],
        AuthSession.device == "".join(c for c in client.user_agent if c.isprintable())[:200],
        col(AuthSession.created_at) > clock.now() - _SENT_TWICE,
    )
    return (await db.exec(query.limit(1))).first() is not None


async def _find(known_as: str) -> tuple[str, str] | None:
    """Return the id and the password hash of an account, or None where there is no account."""
    async with transaction() as db:
        return (await db.exec(select(User.id, User.password_hash).where(User.email == known_as))).first()


def _name_for_counting(email: str, known_as: str) -> str:
    # Whatever was typed is counted like an account, so that a refusal never says whether there is one.
    return hashlib.sha256((known_as or email).encode(errors="backslashreplace")).hexdigest()


async def forgive_guesses(email: str, client: Client) -> None:
    """Forget the wrong passwords that were tried for an account, whose owner has just set a new one.

    Of the client's network and of all strangers together: after a new password the account knows no device,
    so strangers who had used up its attempts would shut the owner out.
    """
    name = _name_for_counting(email, email)
    await throttle.guessed_right(throttle.SIGN_IN, name, network_of(client.address))
    await throttle.forgive(throttle.SIGN_IN_TO_ACCOUNT, name)


# Between the two steps of a sign-in by form.


def first_step_cookie(known: Known) -> str:
    """Return the value of the cookie that says that the password was right. It opens nothing."""
    now = clock.now()
    claims = Claims(known.user_id, _fingerprint(known.password_hash))
    return tokens.issue(TokenType.FIRST_STEP, claims, issued_at=now, expires_at=now + FIRST_STEP_LIFE)


async def first_step_of(cookie_value: str) -> Known:
    """Return who has shown the password, by the cookie of the first step.

    Raises:
        Unauthenticated: the cookie is not ours or too old, or the password has changed since.
    """
    claims = tokens.verify(cookie_value, TokenType.FIRST_STEP)
    async with transaction() as db:
        query = select(User.password_hash).where(User.id == claims.user_id)
        password_hash = (await db.exec(query)).first()
    if password_hash is None or not hmac.compare_digest(_fingerprint(password_hash), claims.session_id):
        raise Unauthenticated("Sign in to continue.")
    return Known(claims.user_id, password_hash)


def _fingerprint(password_hash: str) -> str:
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]
