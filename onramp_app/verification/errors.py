"""Why a verification cannot be begun, as facts with codes."""

from onramp_app.domain.errors import ApplicationError


class PhoneTaken(ApplicationError):
    """The provider knows this phone number as that of another account here."""

    status, code, title = 409, "phone_taken", "This phone number cannot be used"


class VerificationNotStartable(ApplicationError):
    """There is nothing to do with the provider now: it is being looked at, complete, or not done here."""

    status, code, title = 409, "verification_not_startable", "There is nothing to start"


class VerificationRefused(ApplicationError):
    """The person was rejected, and only an operator can change that."""

    status, code, title = 403, "forbidden", "The verification was refused"
