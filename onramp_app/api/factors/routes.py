"""The routes of second factors. Changing one takes a proof of the last 15 minutes."""

import json
from typing import Any

from fastapi import APIRouter, Depends, Request

from onramp_app.api.factors.models import (
    AddedPasskeyAnswer,
    AuthenticatorAnswer,
    CodeRequest,
    FactorsAnswer,
    PasskeyRequest,
    ProofRequest,
    RecoveryCodesAnswer,
    options_of,
)
from onramp_app.api.frame.identity import CurrentViewer, client_of
from onramp_app.api.frame.problems import error_responses
from onramp_app.api.frame.routes import forbid_caching
from onramp_app.domain.errors import (
    ApplicationError,
    DatabaseUnavailable,
    Forbidden,
    InvalidCredentials,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    RecentSignInRequired,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.factors.errors import FactorNotPossible, OtpRequired, PasskeyRefused, WrongCode
from onramp_app.sign_in import second_factor

router = APIRouter(prefix="/api/auth", tags=["second factors"], dependencies=[Depends(forbid_caching)])


def _errors(*errors: type[ApplicationError]) -> dict[int | str, dict[str, Any]]:
    return error_responses(
        Unauthenticated, Forbidden, ValidationFailed, PayloadTooLarge, DatabaseUnavailable, *errors
    )


@router.get("/factors", responses=_errors())
async def list_factors(viewer: CurrentViewer) -> FactorsAnswer:
    """List the second factors of the account."""
    return FactorsAnswer.of(await second_factor.list_factors(viewer))


@router.post("/proof", status_code=204, responses=_errors(InvalidCredentials, OtpRequired, RateLimited))
async def prove(body: ProofRequest, viewer: CurrentViewer) -> None:
    """Show once more who is signed in. For 15 minutes the session may change what protects the account."""
    await second_factor.prove(viewer, body.password, body.otp or "")


@router.post("/factors/totp", responses=_errors(RecentSignInRequired, RateLimited))
async def begin_authenticator(viewer: CurrentViewer) -> AuthenticatorAnswer:
    """Make a secret for an authenticator app. It counts once a code of it is confirmed."""
    return AuthenticatorAnswer.of(await second_factor.begin_authenticator(viewer))


@router.post("/factors/totp/confirm", responses=_errors(RecentSignInRequired, WrongCode, RateLimited))
async def confirm_authenticator(
    body: CodeRequest, request: Request, viewer: CurrentViewer
) -> RecoveryCodesAnswer:
    """Let the app count from now on, and end all other sessions. The recovery codes are shown this once."""
    client = client_of(request)
    added = await second_factor.confirm_authenticator(viewer, body.code, client=client)
    return RecoveryCodesAnswer(recovery_codes=list(added.recovery_codes))


@router.post(
    "/factors/passkeys/options", responses=_errors(RecentSignInRequired, FactorNotPossible, RateLimited)
)
async def passkey_options(viewer: CurrentViewer) -> dict[str, Any]:
    """Return what the browser makes a passkey by: `PublicKeyCredential.parseCreationOptionsFromJSON()`."""
    return options_of(await second_factor.passkey_creation_options(viewer))


@router.post(
    "/factors/passkeys",
    status_code=201,
    responses=_errors(RecentSignInRequired, FactorNotPossible, PasskeyRefused),
)
async def add_passkey(body: PasskeyRequest, request: Request, viewer: CurrentViewer) -> AddedPasskeyAnswer:
    """Keep a passkey that the browser made, and end all other sessions.

    The first factor of an account brings recovery codes, which are shown once.
    """
    added = await second_factor.add_passkey(
        viewer, json.dumps(body.credential), name=body.name, client=client_of(request)
    )
    return AddedPasskeyAnswer.of(added)


@router.post(
    "/factors/recovery-codes", responses=_errors(RecentSignInRequired, FactorNotPossible, RateLimited)
)
async def renew_recovery_codes(request: Request, viewer: CurrentViewer) -> RecoveryCodesAnswer:
    """Replace all recovery codes. The answer shows the new ones, once."""
    codes = await second_factor.renew_recovery_codes(viewer, client=client_of(request))
    return RecoveryCodesAnswer(recovery_codes=list(codes))


@router.delete("/factors/{factor_id}", status_code=204, responses=_errors(RecentSignInRequired, NotFound))
async def remove_factor(factor_id: str, request: Request, viewer: CurrentViewer) -> None:
    """Remove a factor, and end all other sessions."""
    await second_factor.remove_factor(viewer, factor_id, client=client_of(request))
