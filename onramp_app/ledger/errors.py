"""The errors of the books."""

from onramp_app.domain.errors import ApplicationError


class InsufficientFunds(ApplicationError):
    """The user has less available than the transfer takes."""

    status, code, title = 409, "insufficient_funds", "Not enough available"


class ReferenceTaken(ApplicationError):
    """The reference was used before, for something else."""

    status, code, title = 409, "idempotency_conflict", "This reference was used for something else"


class AccountOverdrawn(Exception):
    """Held, owed, suspense or payable holds less than the transfer takes: the caller made a mistake."""
