"""Passkeys (WebAuthn level 3): adding one, and finding out from an answer whose account it is.

A passkey here always is one that finds its account without a name, and that verifies the person (by finger,
face or PIN). It therefore is two factors in one, and signs somebody in without a password.
"""

import json
from typing import Any, cast
from urllib.parse import urlsplit

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from onramp_app.config import get_settings
from onramp_app.domain import clock
from onramp_app.domain.ids import new_id
from onramp_app.factors import challenges
from onramp_app.factors.challenges import Purpose
from onramp_app.factors.errors import PasskeyKnown, PasskeyRefused, TooManyPasskeys
from onramp_app.factors.tables import Passkey
from onramp_app.factors.words import MAX_NAME

MAX_PASSKEYS = 10
MAX_CREDENTIAL_ID = 1023  # bytes; WebAuthn level 3, section 4
MAX_PUBLIC_KEY = 2048  # bytes; the longest in use, of RSA with 4096 bits, has some 550
MAX_ANSWER_LENGTH = 16_384  # Answers have 1 to 4 KiB; one with an attestation of its own may have more.
_TIMEOUT_MILLISECONDS = int(challenges.LIFE.total_seconds() * 1000)

_log = structlog.get_logger(__name__)


async def creation_options(db: AsyncSession, user_id: str, *, email: str, display_name: str) -> str:
    """Return the JSON that `PublicKeyCredential.parseCreationOptionsFromJSON()` takes.

    Authenticators that hold a passkey of the account already are left out.

    Raises:
        TooManyPasskeys: the account has `MAX_PASSKEYS`.
    """
    known = (await db.exec(select(Passkey.credential_id).where(Passkey.user_id == user_id))).all()
    if len(known) >= MAX_PASSKEYS:
        raise TooManyPasskeys(f"An account has at most {MAX_PASSKEYS} passkeys. Remove one first.")
    options = generate_registration_options(
        rp_id=_rp_id(),
        rp_name=get_settings().app_name,
        user_id=user_id.encode(),
        user_name=email,
        user_display_name=display_name,
        challenge=challenges.new_challenge(Purpose.ADD, user_id),
        timeout=_TIMEOUT_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
    )
    return options_to_json(options)


async def add(db: AsyncSession, user_id: str, *, answer: str, name: str) -> str:
    """Keep the passkey that the browser's answer describes. Returns the factor's id.

    Args:
        db: the transaction.
        user_id: whose passkey it is.
        answer: `PublicKeyCredential.toJSON()` of a creation, as text.
        name: what its owner calls it; cut to `MAX_NAME` characters.

    Raises:
        PasskeyRefused: the answer is not one to a challenge of ours for this account, or was given before.
        PasskeyKnown, TooManyPasskeys: there is nothing more to add.
    """
    given = _parsed(answer)
    challenge = _challenge_of(given)
    if not challenges.is_ours(challenge, Purpose.ADD, user_id):
        raise PasskeyRefused("This took too long. Start again.")
    try:
        made = verify_registration_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=_rp_id(),
            expected_origin=list(get_settings().ui_origins),
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001 -- the library stumbles over odd answers in ways of their own
        raise _refusal(error) from None
    if len(made.credential_id) > MAX_CREDENTIAL_ID or len(made.credential_public_key) > MAX_PUBLIC_KEY:
        raise PasskeyRefused("The passkey wasn't accepted.")
    if not await challenges.spend(db, challenge):
        raise PasskeyRefused("This answer was used before. Start again.")
    count = select(func.count()).where(Passkey.user_id == user_id)
    if (await db.exec(count)).one() >= MAX_PASSKEYS:
        raise TooManyPasskeys(f"An account has at most {MAX_PASSKEYS} passkeys. Remove one first.")
    row = Passkey(
        id=new_id(),
        user_id=user_id,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        is_backed_up=made.credential_backed_up,
        name="".join(c for c in name if c.isprintable()).strip()[:MAX_NAME] or "Passkey",
        made_at=clock.now(),
    )
    statement = insert(Passkey).values(**row.model_dump()).on_conflict_do_nothing()
    if (await db.exec(statement.returning(col(Passkey.id)))).first() is None:
        raise PasskeyKnown("This passkey is known already.")
    return row.id


def request_options() -> str:
    """Return the JSON that `PublicKeyCredential.parseRequestOptionsFromJSON()` takes.

    It names no account and no passkey: the browser offers what it has, and a stranger learns nothing.
    """
    return options_to_json(
        generate_authentication_options(
            rp_id=_rp_id(),
            challenge=challenges.new_challenge(Purpose.PROVE),
            timeout=_TIMEOUT_MILLISECONDS,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


async def owner_of(db: AsyncSession, answer: str) -> str:
    """Return the id of the account whose passkey an answer names, before anything is proved.

    Whoever changes something of the account locks it first, and then calls `prove`, which locks the passkey.

    Raises:
        PasskeyRefused: the answer names no passkey that is known.
    """
    credential_id = _bytes_of(_parsed(answer), "rawId")
    owner = (await db.exec(select(Passkey.user_id).where(Passkey.credential_id == credential_id))).first()
    if owner is None:
        raise PasskeyRefused("This passkey is not known here.")
    return owner


async def prove(db: AsyncSession, answer: str) -> str:
    """Return the id of the account that the answer proves, and spend its challenge.

    Args:
        db: the transaction.
        answer: `PublicKeyCredential.toJSON()` of a request, as text.

    Raises:
        PasskeyRefused: the answer proves nothing. It is of no passkey that is known, not to a challenge of
            ours, not from our pages, was used before, verified nobody, or comes from a copy of a passkey.
    """
    given = _parsed(answer)
    challenge, credential_id = _challenge_of(given), _bytes_of(given, "rawId")
    if not challenges.is_ours(challenge, Purpose.PROVE):
        raise PasskeyRefused("This took too long. Try again.")
    query = select(Passkey).where(Passkey.credential_id == credential_id).with_for_update()
    passkey = (await db.exec(query)).first()
    if passkey is None:
        raise PasskeyRefused("This passkey is not known here.")
    try:
        proved = verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=_rp_id(),
            expected_origin=list(get_settings().ui_origins),
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,  # A count that falls behind is a copy's.
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001 -- as above
        raise _refusal(error) from None
    handle = given.get("response", {}).get("userHandle")
    if handle is not None and _bytes_of(given["response"], "userHandle") != passkey.user_id.encode():
        raise PasskeyRefused("The passkey wasn't accepted.")
    if not await challenges.spend(db, challenge):
        raise PasskeyRefused("This answer was used before. Try again.")
    passkey.sign_count = proved.new_sign_count
    passkey.is_backed_up = proved.credential_backed_up
    passkey.last_used_at = clock.now()
    await db.flush()
    return passkey.user_id


async def forget(db: AsyncSession, user_id: str) -> None:
    """Delete all passkeys of the account."""
    await db.exec(delete(Passkey).where(col(Passkey.user_id) == user_id))


def _rp_id() -> str:
    # A passkey belongs to a host. An address of numbers cannot have any: on the developer's own machine the
    # pages have to be opened as localhost.
    host = urlsplit(get_settings().ui_origin).hostname or ""
    return "localhost" if host == "127.0.0.1" else host


def _parsed(answer: str) -> dict[str, Any]:
    if len(answer) > MAX_ANSWER_LENGTH:
        raise PasskeyRefused("The passkey wasn't accepted.")
    try:
        given = json.loads(answer)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not isinstance(given.get("response"), dict):
        raise PasskeyRefused("The passkey wasn't accepted.")
    return cast("dict[str, Any]", given)


def _challenge_of(given: dict[str, Any]) -> bytes:
    try:
        client = json.loads(_bytes_of(given["response"], "clientDataJSON"))
    except (ValueError, RecursionError):
        client = None
    return _bytes_of(client, "challenge") if isinstance(client, dict) else b""


def _bytes_of(given: dict[str, Any], name: str) -> bytes:
    """Return a base64url text of an answer as bytes; none where it is no such text."""
    value = given.get(name)
    try:
        return base64url_to_bytes(value) if isinstance(value, str) else b""
    except ValueError:
        return b""


def _refusal(error: Exception) -> PasskeyRefused:
    _log.info("a passkey's answer was refused", reason=type(error).__name__)
    return PasskeyRefused("The passkey wasn't accepted.")
