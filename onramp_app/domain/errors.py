"""The application's errors: facts with a status and a code, turned into problem+json by the API.

Codes and statuses are part of the public contract (docs/api.md). A `detail` is written for whoever caused the
error, and never contains a secret or somebody else's data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of the input."""

    field: str
    message: str


class ApplicationError(Exception):
    """Base of all errors that reach callers.

    `extra` holds further members of the problem document (RFC 9457 section 3.2): strings, or objects of
    strings. `challenge` is what a 401 asks for (RFC 9110 section 11.6.1).
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    challenge: ClassVar[str] = "Bearer"

    def __init__(
        self,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        retry_after_seconds: int | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.retry_after_seconds = retry_after_seconds
        self.extra = dict(extra or {})


class ValidationFailed(ApplicationError):
    """The input does not have the required shape or values."""

    status, code, title = 422, "validation_failed", "The request is not valid"


class InvalidCredentials(ApplicationError):
    """Email and password do not match; deliberately silent about which one is wrong."""

    status, code, title = 401, "invalid_credentials", "Email or password is wrong"


class Unauthenticated(ApplicationError):
    """No valid session came with the request."""

    status, code, title = 401, "unauthenticated", "Sign in first"


class RecentSignInRequired(ApplicationError):
    """The person last authenticated too long ago for this action (OWASP ASVS 5.0, section 7.5)."""

    status, code, title = 401, "recent_sign_in_required", "Sign in again first"


class RefreshTokenReused(ApplicationError):
    """A used refresh token was presented again: its whole family is revoked (RFC 9700 section 4.14.2)."""

    status, code, title = 401, "refresh_token_reused", "This refresh token was used before"


class Forbidden(ApplicationError):
    """The caller is known and may not do this."""

    status, code, title = 403, "forbidden", "Not allowed"


class NotFound(ApplicationError):
    """The object does not exist, or belongs to somebody else."""

    status, code, title = 404, "not_found", "Not found"


class AccountNotEmpty(ApplicationError):
    """The account cannot be closed: it holds money, or a top-up or review of it is open.

    `extra` holds `balances` (available plus held, in whole units by asset), `owed` in the same form, and
    `open_top_ups` and `open_reviews` (counts, as text).
    """

    status, code, title = 409, "account_not_empty", "The account is not empty"


class EmailTaken(ApplicationError):
    """An account with this email exists."""

    status, code, title = 409, "email_taken", "An account with this email exists"


class PayloadTooLarge(ApplicationError):
    """The request body is larger than its limit."""

    status, code, title = 413, "payload_too_large", "The request is too large"


class RequestTooSlow(ApplicationError):
    """The request did not arrive completely in time."""

    status, code, title = 408, "request_too_slow", "The request came too slowly"


class RateLimited(ApplicationError):
    """Too many attempts; `retry_after_seconds` says when to retry."""

    status, code, title = 429, "rate_limited", "Too many requests"


class DatabaseUnavailable(ApplicationError):
    """The database does not answer."""

    status, code, title = 503, "database_unavailable", "The database does not answer"
