"""`/api/auth` for what is done by mailed links: passwords, addresses, "This wasn't me"."""

from fastapi import APIRouter, Depends, Request

from onramp_app.api.frame.identity import CurrentViewer, client_of
from onramp_app.api.frame.problems import error_responses
from onramp_app.api.frame.routes import forbid_caching
from onramp_app.api.mailed.models import EmailRequest, ForgotRequest, ResetRequest, TokenRequest
from onramp_app.domain.errors import (
    DatabaseUnavailable,
    EmailTaken,
    Forbidden,
    InvalidCredentials,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.factors.errors import OtpRequired, WrongCode
from onramp_app.recovery import addresses, passwords, requests, securing

router = APIRouter(prefix="/api/auth", tags=["account"], dependencies=[Depends(forbid_caching)])

_COMMON = (ValidationFailed, PayloadTooLarge, DatabaseUnavailable, RateLimited)


@router.post("/password/forgot", status_code=202, responses=error_responses(*_COMMON))
async def forgot(body: ForgotRequest, request: Request) -> None:
    """Mail a link to set the password, if the email has an account. The answer never says whether it has."""
    await requests.ask(body.email, client_of(request))


@router.post(
    "/password/reset",
    status_code=204,
    responses=error_responses(OtpRequired, WrongCode, EmailTaken, *_COMMON),
)
async def reset(body: ResetRequest, request: Request) -> None:
    """Set a new password by the token of a mailed link, once, or claim an account by it. All sessions end."""
    await passwords.reset(body.token, body.new_password, client_of(request), code=body.otp or "")


@router.post(
    "/email",
    status_code=202,
    responses=error_responses(
        Unauthenticated, Forbidden, InvalidCredentials, OtpRequired, EmailTaken, *_COMMON
    ),
)
async def change_email(body: EmailRequest, viewer: CurrentViewer) -> None:
    """Mail a link to a new address. Nothing changes until that is opened."""
    await addresses.change(viewer, body.new_email, body.current_password, code=body.otp or "")


@router.post(
    "/email/confirmation",
    status_code=202,
    responses=error_responses(Unauthenticated, Forbidden, *_COMMON),
)
async def send_confirmation(viewer: CurrentViewer) -> None:
    """Mail the link that confirms the address of the caller once more. Does nothing where it is confirmed."""
    await addresses.send_confirmation(viewer)


@router.post("/email/confirm", status_code=204, responses=error_responses(EmailTaken, *_COMMON))
async def confirm_email(body: TokenRequest, request: Request) -> None:
    """Confirm an address by the token that was mailed to it: the present one, or the new one."""
    await addresses.confirm(body.token, client_of(request))


@router.post("/email/undo", status_code=204, responses=error_responses(EmailTaken, *_COMMON))
async def undo_email(body: TokenRequest, request: Request) -> None:
    """Give an account its earlier address back, end all sessions, and mail a link to set a new password."""
    await securing.undo_change(body.token, client_of(request))


@router.post("/secure", status_code=204, responses=error_responses(EmailTaken, *_COMMON))
async def secure(body: TokenRequest, request: Request) -> None:
    """Say "This wasn't me": end all sessions and the password, and mail a link to set a new one."""
    await securing.secure(body.token, client_of(request))
