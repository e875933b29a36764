"""The errors of operators' decisions."""

from onramp_app.domain.errors import ApplicationError


class RecentSignInRequired(ApplicationError):
    """The sign-in is too long ago for this (OWASP ASVS 5.0, section 7.5)."""

    status, code, title = 401, "recent_sign_in_required", "Sign in again first"


class ActionNotPossible(ApplicationError):
    """The action is not possible in this state, or was done before. The detail says what is possible."""

    status, code, title = 409, "action_not_possible", "This cannot be done now"
