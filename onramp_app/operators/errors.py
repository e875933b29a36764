"""What an operator is refused."""

from onramp_app.domain.errors import ApplicationError


class RecentSignInRequired(ApplicationError):
    """Who asks is signed in, but not lately enough for this (OWASP ASVS 5.0, section 7.5)."""

    status, code, title = 401, "recent_sign_in_required", "Sign in again first"


class ActionNotPossible(ApplicationError):
    """It cannot be done in this state, or was done before; the detail says which, and what can be done."""

    status, code, title = 409, "action_not_possible", "This cannot be done now"
