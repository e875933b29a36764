"""`/api/auth` for programs: accounts, tokens, sessions. These routes set no cookie."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from onramp_app.accounts import accounts, program_sessions, security_events, sessions
from onramp_app.accounts.words import EndReason
from onramp_app.api.auth_models import (
    LoginRequest,
    PasswordRequest,
    ProfileRequest,
    RefreshRequest,
    RegisterRequest,
    SecurityEventAnswer,
    SecurityEventsAnswer,
    SessionAnswer,
    SessionsAnswer,
    SignedInAnswer,
    TokensAnswer,
    UserAnswer,
)
from onramp_app.api.frame.identity import CurrentViewer, client_of
from onramp_app.api.frame.problems import error_responses
from onramp_app.api.frame.routes import forbid_caching
from onramp_app.domain.errors import (
    ApplicationError,
    DatabaseUnavailable,
    EmailTaken,
    Forbidden,
    InvalidCredentials,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    RecentSignInRequired,
    RefreshTokenReused,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.domain.paging import MAX_LENGTH
from onramp_app.factors.errors import OtpRequired
from onramp_app.sign_in import sign_in

router = APIRouter(prefix="/api/auth", tags=["account"], dependencies=[Depends(forbid_caching)])


def _errors(*errors: type[ApplicationError]) -> dict[int | str, dict[str, Any]]:
    return error_responses(*errors, ValidationFailed, PayloadTooLarge, DatabaseUnavailable)


def _own_errors(*errors: type[ApplicationError]) -> dict[int | str, dict[str, Any]]:
    return _errors(Unauthenticated, Forbidden, *errors)


@router.post("/register", status_code=201, responses=_errors(EmailTaken, RateLimited))
async def register(body: RegisterRequest, request: Request) -> SignedInAnswer:
    """Open an account and sign in."""
    registration = accounts.Registration(**body.model_dump())
    session = await accounts.register(registration, client_of(request), program_sessions.open_program)
    return SignedInAnswer.of(session)


@router.post("/login", responses=_errors(InvalidCredentials, OtpRequired, RateLimited))
async def login(body: LoginRequest, request: Request) -> SignedInAnswer:
    """Sign in. An unknown email gets the same answer in the same time as a wrong password.

    `otp_required` says that the password is right and the account has a second factor.
    """
    session = await sign_in.sign_in(
        body.email, body.password, client_of(request), program_sessions.open_program, code=body.otp or ""
    )
    return SignedInAnswer.of(session)


@router.post("/refresh", responses=_errors(RefreshTokenReused, Unauthenticated, RateLimited))
async def refresh(body: RefreshRequest, request: Request) -> TokensAnswer:
    """Spend a refresh token for the next pair of tokens.

    The same token sent again within 10 s, before its successor was used, gets the same pair. Sent later, it
    ends the session.
    """
    address = client_of(request).address
    return TokensAnswer.of(await program_sessions.refresh(body.refresh_token, address=address))


@router.post("/logout", status_code=204, responses=_own_errors())
async def logout(viewer: CurrentViewer) -> None:
    """End the session of the caller."""
    await sessions.end_session(viewer.user_id, viewer.session_id, reason=EndReason.SIGNED_OUT)


@router.get("/me", responses=_own_errors())
async def me(viewer: CurrentViewer) -> UserAnswer:
    """Return the account of the caller."""
    return UserAnswer.of(viewer)


@router.patch("/me", responses=_own_errors())
async def change_me(body: ProfileRequest, viewer: CurrentViewer) -> UserAnswer:
    """Change the given fields of the profile, and return the account."""
    changes = accounts.ProfileChanges(**body.model_dump(exclude_unset=True))
    return UserAnswer.of(await accounts.update_profile(viewer, changes))


@router.post(
    "/password",
    status_code=204,
    responses=_own_errors(InvalidCredentials, RecentSignInRequired, RateLimited),
)
async def change_password(body: PasswordRequest, request: Request, viewer: CurrentViewer) -> None:
    """Replace the password and end all other sessions.

    An account with a second factor has to have signed in within the last 15 minutes.
    """
    await accounts.change_password(
        viewer, body.current_password, new_password=body.new_password, address=client_of(request).address
    )


@router.get("/sessions", responses=_own_errors())
async def list_sessions(
    viewer: CurrentViewer,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> SessionsAnswer:
    """List where the account is signed in."""
    views, next_cursor = await sessions.list_sessions(viewer, limit=limit, cursor=cursor)
    return SessionsAnswer(items=[SessionAnswer.of(view) for view in views], next_cursor=next_cursor)


@router.delete("/sessions/{session_id}", status_code=204, responses=_own_errors(NotFound))
async def end_session(session_id: str, request: Request, viewer: CurrentViewer) -> None:
    """End one session. Its tabs drop everything private and go to the sign-in page."""
    await sessions.end_session(viewer.user_id, session_id, address=client_of(request).address)


@router.get("/events", responses=_own_errors())
async def list_events(
    viewer: CurrentViewer,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_LENGTH)] = None,
) -> SecurityEventsAnswer:
    """List the security events of the account, newest first."""
    events, next_cursor = await security_events.list_events(viewer, limit=limit, cursor=cursor)
    return SecurityEventsAnswer(
        items=[SecurityEventAnswer.of(event) for event in events], next_cursor=next_cursor
    )
