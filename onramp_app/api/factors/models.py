"""Bodies and answers of the routes of second factors."""

import json
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from onramp_app.api.auth_models import MAX_OTP_LENGTH, Password
from onramp_app.api.frame.routes import RequestBody
from onramp_app.factors.views import FactorView, NewAuthenticator
from onramp_app.factors.words import MAX_NAME, FactorKind
from onramp_app.sign_in.second_factor import AddedFactor, Factors

Code = Annotated[str, Field(min_length=6, max_length=MAX_OTP_LENGTH, repr=False, examples=["123456"])]


class CodeRequest(RequestBody):
    """A code of the app that is being set up."""

    code: Code


class ProofRequest(RequestBody):
    """The password and, for an account with a second factor, a code."""

    password: Password
    otp: str | None = Field(default=None, max_length=MAX_OTP_LENGTH, repr=False)


class PasskeyRequest(RequestBody):
    """What the browser made: `PublicKeyCredential.toJSON()`, and what its owner calls it."""

    credential: dict[str, Any]
    name: Annotated[str, Field(max_length=MAX_NAME)] = ""


class FactorAnswer(BaseModel):
    """One second factor. An authenticator app has no name."""

    id: str
    kind: FactorKind
    name: str
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, view: FactorView) -> Self:
        """Build the answer from the view."""
        return cls(
            id=view.factor_id,
            kind=FactorKind(view.kind),
            name=view.name,
            created_at=view.made_at,
            last_used_at=view.last_used_at,
        )


class FactorsAnswer(BaseModel):
    """All second factors, the newest first, and how many recovery codes are left."""

    items: list[FactorAnswer]
    recovery_codes_left: int

    @classmethod
    def of(cls, factors: Factors) -> Self:
        """Build the answer from the factors."""
        items = [FactorAnswer.of(view) for view in factors.items]
        return cls(items=items, recovery_codes_left=factors.recovery_codes_left)


class AuthenticatorAnswer(BaseModel):
    """The secret of an authenticator app: to type, and as the address that a QR code holds."""

    secret: str
    uri: str

    @classmethod
    def of(cls, made: NewAuthenticator) -> Self:
        """Build the answer from the secret."""
        return cls(secret=made.secret, uri=made.uri)


class RecoveryCodesAnswer(BaseModel):
    """Ten recovery codes, each good once. They are never shown again."""

    recovery_codes: list[str]


class AddedPasskeyAnswer(RecoveryCodesAnswer):
    """The passkey's id, and recovery codes where the account had no factor before."""

    id: str

    @classmethod
    def of(cls, added: AddedFactor) -> Self:
        """Build the answer from the factor."""
        return cls(id=added.factor_id, recovery_codes=list(added.recovery_codes))


def options_of(text: str) -> dict[str, Any]:
    """Return the options for the browser as the object that they are."""
    return dict(json.loads(text))
