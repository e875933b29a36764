"""Bodies and answers of the account routes. Each text has a limit, and unknown fields are refused."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from onramp_app.accounts.fields import MAX_DISPLAY_NAME_LENGTH, MAX_EMAIL_LENGTH
from onramp_app.accounts.passwords import MAX_LENGTH, MIN_LENGTH
from onramp_app.accounts.program_sessions import ProgramSession
from onramp_app.accounts.views import SecurityEventView, SessionView, Viewer
from onramp_app.accounts.words import SecurityEventKind
from onramp_app.api.frame.routes import Country, Currency, RequestBody

Email = Annotated[str, Field(min_length=3, max_length=MAX_EMAIL_LENGTH, examples=["ada@example.com"])]
Password = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH, repr=False)]
NewPassword = Annotated[str, Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH, repr=False)]
DisplayName = Annotated[str, Field(min_length=1, max_length=MAX_DISPLAY_NAME_LENGTH)]
Language = Annotated[str, Field(min_length=2, max_length=12)]
MAX_OTP_LENGTH = 32  # A recovery code has 19 characters.


class RegisterRequest(RequestBody):
    """The fields that open an account.

    A name that is left out is taken from the email, a currency from the country.
    """

    email: Email
    password: NewPassword
    display_name: DisplayName | None = None
    country: Country | None = None
    display_currency: Currency | None = None


class LoginRequest(RequestBody):
    """The fields that open a session.

    `otp` is the code of an authenticator app, or a recovery code; accounts without a second factor ignore it.
    """

    email: Email
    password: Password
    otp: str | None = Field(default=None, max_length=MAX_OTP_LENGTH, repr=False)


class RefreshRequest(RequestBody):
    """The refresh token to spend."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=128, repr=False)]


class PasswordRequest(RequestBody):
    """The current password and the new one."""

    current_password: Password
    new_password: NewPassword


class ProfileRequest(RequestBody):
    """The fields to change; a field that is left out stays as it is. The defaults are never used."""

    display_name: DisplayName = ""
    country: Country = ""
    display_currency: Currency = ""
    language: Language = ""


class Kyc(BaseModel):
    """How far the person is verified."""

    status: Literal["none", "started", "in_review", "approved", "rejected", "resubmit"]
    tier: Literal["none", "basic", "full"]


class UserAnswer(BaseModel):
    """The account of the caller."""

    id: str
    email: str
    display_name: str
    country: str | None
    display_currency: str
    language: str
    role: Literal["user", "operator", "admin"]
    kyc: Kyc
    created_at: datetime

    @classmethod
    def of(cls, viewer: Viewer) -> Self:
        """Build the answer from the view."""
        return cls.model_validate(
            {
                "id": viewer.user_id,
                "email": viewer.email,
                "display_name": viewer.display_name,
                "country": viewer.country,
                "display_currency": viewer.display_currency,
                "language": viewer.language,
                "role": viewer.role,
                "kyc": {"status": viewer.kyc_status, "tier": viewer.kyc_tier},
                "created_at": viewer.created_at,
            }
        )


class TokensAnswer(BaseModel):
    """A pair of tokens; `expires_in` is the access token's remaining life in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int

    @classmethod
    def of(cls, session: ProgramSession) -> Self:
        """Build the answer from the session."""
        return cls(
            access_token=session.access_token,
            refresh_token=session.refresh_token,
            expires_in=session.expires_in_seconds,
        )


class SignedInAnswer(TokensAnswer):
    """A pair of tokens and the account."""

    user: UserAnswer

    @classmethod
    def of(cls, session: ProgramSession) -> Self:
        """Build the answer from the session."""
        return cls(
            user=UserAnswer.of(session.viewer),
            access_token=session.access_token,
            refresh_token=session.refresh_token,
            expires_in=session.expires_in_seconds,
        )


class SessionAnswer(BaseModel):
    """One place where the account is signed in. `device` is the User-Agent of the client."""

    id: str
    kind: Literal["browser", "program"]
    device: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    current: bool

    @classmethod
    def of(cls, session: SessionView) -> Self:
        """Build the answer from the view."""
        return cls.model_validate(
            {
                "id": session.session_id,
                "kind": session.kind,
                "device": session.device,
                "address": session.address,
                "created_at": session.created_at,
                "last_seen_at": session.last_seen_at,
                "current": session.is_current,
            }
        )


class SessionsAnswer(BaseModel):
    """One page of sessions, newest first."""

    items: list[SessionAnswer]
    next_cursor: str | None


class SecurityEventAnswer(BaseModel):
    """One thing that happened to the account. `device` is the User-Agent, or what is kept of it for good."""

    kind: SecurityEventKind
    at: datetime
    device: str
    address: str

    @classmethod
    def of(cls, event: SecurityEventView) -> Self:
        """Build the answer from the view."""
        return cls.model_validate(event, from_attributes=True)


class SecurityEventsAnswer(BaseModel):
    """A page of events, newest first."""

    items: list[SecurityEventAnswer]
    next_cursor: str | None
