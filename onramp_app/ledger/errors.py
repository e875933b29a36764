"""What the books refuse."""

from onramp_app.domain.errors import ApplicationError


class InsufficientFunds(ApplicationError):
    """The user has less available than is to be taken."""

    status, code, title = 409, "insufficient_funds", "Not enough available"


class ReferenceTaken(ApplicationError):
    """The reference was used before, for something else."""

    status, code, title = 409, "idempotency_conflict", "This reference was used for something else"


class AccountOverdrawn(Exception):
    """More was to be taken from held, owed, suspense or payable than is there: what asked for it is wrong."""
