"""Bodies of the routes behind mailed links. Each text has a limit, and unknown fields are refused."""

from typing import Annotated

from pydantic import Field

from onramp_app.accounts.fields import MAX_EMAIL_LENGTH
from onramp_app.api.auth_models import MAX_OTP_LENGTH, Email, NewPassword, Password
from onramp_app.api.frame.routes import RequestBody

Token = Annotated[str, Field(min_length=1, max_length=128, repr=False)]
Otp = Annotated[str | None, Field(max_length=MAX_OTP_LENGTH, repr=False)]


class ForgotRequest(RequestBody):
    """The email of the account whose password is to be set."""

    email: Annotated[str, Field(max_length=MAX_EMAIL_LENGTH, examples=["ada@example.com"])]


class ResetRequest(RequestBody):
    """The token of the link, and the new password. `otp` is for accounts with a second factor."""

    token: Token
    new_password: NewPassword
    otp: Otp = None


class EmailRequest(RequestBody):
    """The address to change to, and the current password. `otp` is for accounts with a second factor."""

    new_email: Email
    current_password: Password
    otp: Otp = None


class TokenRequest(RequestBody):
    """The token of a link: what stands behind the `#` of its address."""

    token: Token
