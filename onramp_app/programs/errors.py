"""The errors of programs."""

from onramp_app.domain.errors import ApplicationError


class InsufficientScope(ApplicationError):
    """The key works, and lacks the scope that `extra["scope"]` names (RFC 6750 section 3.1)."""

    status, code, title = 403, "insufficient_scope", "This key is not for this"
