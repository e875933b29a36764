"""Authenticator apps: time-based one-time passwords (RFC 6238), six digits of SHA-1 every 30 seconds.

SHA-1, because many apps ignore every other choice; in an HMAC it is sound (RFC 6238 section 1.2).
"""

import base64
import secrets
from datetime import datetime

import pyotp
import structlog
from pyotp.utils import strings_equal
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.domain import clock
from onramp_app.domain.ids import new_id
from onramp_app.factors import sealing
from onramp_app.factors.tables import Authenticator
from onramp_app.factors.views import NewAuthenticator

STEP_SECONDS = 30
DIGITS = 6
_SECRET_BYTES = 20  # RFC 4226 section 4 recommends 160 bits.
_STEPS_OFF = (-1, 0, 1)  # RFC 6238 section 5.2: one step for clocks that differ and for slow typing.

_log = structlog.get_logger(__name__)


async def begin(db: AsyncSession, user_id: str, *, issuer: str, label: str) -> NewAuthenticator:
    """Store a new secret that does not count before `confirm`; one that was begun before is forgotten.

    Args:
        db: the transaction.
        user_id: whose it is to be.
        issuer: what the app calls us.
        label: what the app calls the account.
    """
    await cancel(db, user_id)
    secret, row = secrets.token_bytes(_SECRET_BYTES), new_id()
    db.add(
        Authenticator(
            id=row, user_id=user_id, sealed_secret=sealing.seal(secret, row=row), made_at=clock.now()
        )
    )
    await db.flush()
    text = base64.b32encode(secret).decode()
    return NewAuthenticator(text, pyotp.TOTP(text).provisioning_uri(name=label, issuer_name=issuer))


async def is_begun(db: AsyncSession, user_id: str, *, since: datetime) -> bool:
    """Return whether a secret that does not count yet was made after `since`."""
    query = select(Authenticator.id).where(
        Authenticator.user_id == user_id,
        col(Authenticator.confirmed_at).is_(None),
        Authenticator.made_at > since,
    )
    return (await db.exec(query)).first() is not None


async def cancel(db: AsyncSession, user_id: str) -> None:
    """Forget the secret that was begun, if there is one."""
    await db.exec(
        delete(Authenticator).where(
            col(Authenticator.user_id) == user_id, col(Authenticator.confirmed_at).is_(None)
        )
    )


async def confirm(db: AsyncSession, user_id: str, code: str) -> bool:
    """Let the secret that was begun count from now on, instead of an earlier one, if the code is of it."""
    begun = await _locked(db, user_id, is_confirmed=False)
    if begun is None or not _accept(begun, code):
        return False
    await db.exec(
        delete(Authenticator).where(
            col(Authenticator.user_id) == user_id, col(Authenticator.confirmed_at).is_not(None)
        )
    )
    begun.confirmed_at = begun.last_used_at = clock.now()
    await db.flush()
    return True


async def check(db: AsyncSession, user_id: str, code: str) -> bool:
    """Return whether the code is one of the person's app, and spend it: no code is accepted twice."""
    row = await _locked(db, user_id, is_confirmed=True)
    if row is None or not _accept(row, code):
        return False
    row.last_used_at = clock.now()
    await db.flush()
    return True


async def _locked(db: AsyncSession, user_id: str, *, is_confirmed: bool) -> Authenticator | None:
    # The lock lets two requests with the same code take turns: the second finds it spent.
    confirmed_at = col(Authenticator.confirmed_at)
    query = (
        select(Authenticator)
        .where(
            Authenticator.user_id == user_id,
            confirmed_at.is_not(None) if is_confirmed else confirmed_at.is_(None),
        )
        .with_for_update()
    )
    return (await db.exec(query.execution_options(populate_existing=True))).first()


def _accept(row: Authenticator, code: str) -> bool:
    opened = sealing.unseal(row.sealed_secret, row=row.id)
    if opened is None:
        _log.error("the secret of an authenticator cannot be opened with SECRET_KEY", user_id=row.user_id)
        return False
    secret, has_current_key = opened
    app = pyotp.TOTP(base64.b32encode(secret).decode(), digits=DIGITS, interval=STEP_SECONDS)
    now = int(clock.now().timestamp()) // STEP_SECONDS
    for counter in (now + off for off in _STEPS_OFF):
        if strings_equal(app.generate_otp(counter), code) and counter > row.last_counter:
            row.last_counter = counter
            if not has_current_key:  # Before the previous key is taken out of the settings.
                row.sealed_secret = sealing.seal(secret, row=row.id)
            return True
    return False
