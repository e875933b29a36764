"""The errors of debits, with the codes of the public contract."""

from onramp_app.domain.errors import ApplicationError, Forbidden
from onramp_app.ledger.errors import InsufficientFunds
from onramp_app.providers.errors import AmountOutOfLimits, ProviderUnavailable

__all__ = ["AccountClosed", "InsufficientFunds", "MoreThanLeft", "RateTooOld", "ReferenceUsed"]


class ReferenceUsed(ApplicationError):
    """The program used this reference before, with other content."""

    status, code, title = 409, "idempotency_conflict", "This reference was used for something else"


class MoreThanLeft(AmountOutOfLimits):
    """More was to be captured, released or reversed than is left; `extra` holds `min` and `max`."""


class RateTooOld(ProviderUnavailable):
    """The stored exchange rate is too old for taking somebody's money."""


class AccountClosed(Forbidden):
    """The owner has closed the account, so nothing can be returned to it."""
