"""The errors of second factors."""

from onramp_app.domain.errors import ApplicationError, InvalidCredentials


class OtpRequired(ApplicationError):
    """The password is right, and the account has a second factor that is not given yet."""

    status, code, title = 401, "otp_required", "A second factor is needed"


class WrongCode(InvalidCredentials):
    """The code is wrong, too old, or was used before."""

    title = "The code is wrong"


class PasskeyRefused(InvalidCredentials):
    """The passkey's answer does not prove who somebody is. The error does not say why."""

    title = "The passkey was not accepted"


class FactorNotPossible(ApplicationError):
    """The factor cannot be added in this state."""

    status, code, title = 409, "action_not_possible", "This cannot be done now"


class TooManyPasskeys(FactorNotPossible):
    """The account has as many passkeys as it may have."""


class PasskeyKnown(FactorNotPossible):
    """The passkey is known already."""
