"""The errors a provider call can raise. Few on purpose: one for each case that callers handle differently.

Each is an `ApplicationError`, so an unhandled one becomes a truthful error response of the public API.
"""

from enum import StrEnum

from onramp_app.domain.errors import ApplicationError, NotFound, Unauthenticated


class Suspect(StrEnum):
    """Which credential the refusal points at; the provider documents one code for both."""

    KEY = "key"
    SECRET = "secret"  # noqa: S105 - the name of a setting  # nosec B105
    EITHER = "either"


class ProviderUnavailable(ApplicationError):
    """The provider gave no usable answer. Whether it acted is unknown; retry later."""

    status, code, title = 503, "provider_unavailable", "The payment provider does not answer"


class ProviderBusy(ProviderUnavailable):
    """The provider says that we send too many requests (429)."""


class OwnRateSpent(ProviderBusy):
    """Our own request limit is reached, so nothing was sent."""


class ShareSpent(OwnRateSpent):
    """The asker's network or person has used up its share of our requests (`domain.shares`)."""

    status, code, title = 429, "rate_limited", "Too many requests"


class ProviderCredentialsRefused(ProviderUnavailable):
    """401 or 403: key, signature or permission. An operator has to act; waiting does not help."""

    def __init__(
        self, detail: str, *, retry_after_seconds: int | None = None, suspect: Suspect = Suspect.EITHER
    ) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
        self.suspect = suspect


class ProviderPriceIrregular(ProviderUnavailable):
    """428: the provider's price is too volatile to quote right now."""


class ProviderAnswerUnreadable(ProviderUnavailable):
    """The answer is too large, not JSON, or not of the documented shape."""


class ProviderRequestRefused(ProviderUnavailable):
    """The provider understood the request and refused it (400, 409, 416, …): a retry changes nothing.

    `provider_code` is the provider's own code. `customer_id` is set where a white-label answer names the
    customer that already exists. The provider's own text is not kept: it may repeat personal data.
    """

    def __init__(self, detail: str, *, provider_code: int, customer_id: str | None = None) -> None:
        super().__init__(detail)
        self.provider_code = provider_code
        self.customer_id = customer_id


class ProviderLoginRequired(ProviderUnavailable):
    """White-label: the person has to sign in with the provider before this request is possible."""


class AmountOutOfLimits(ApplicationError):
    """The amount is below or above what may be paid; `extra` names `min` and `max` where they are known."""

    status, code, title = 422, "amount_out_of_limits", "The amount is outside the limits"


class UnsupportedAsset(ApplicationError):
    """The asset cannot be bought on this network or with this currency."""

    status, code, title = 422, "unsupported_asset", "The asset is not supported"


class ProviderOrderGone(NotFound):
    """417: the provider no longer knows the order."""


class UnsupportedCurrency(ApplicationError):
    """Payments in this currency are not possible, either at all or at the moment."""

    status, code, title = 422, "unsupported_currency", "The currency is not supported"


class UnsupportedPaymentMethod(ApplicationError):
    """The currency does not offer this payment method."""

    status, code, title = 422, "unsupported_payment_method", "The payment method is not supported"


class Refusal(StrEnum):
    """Why a webhook was refused."""

    PAYLOAD_MISSING = "payload_missing"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    PAYLOAD_NOT_BASE64 = "payload_not_base64"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_WRONG_LENGTH = "signature_wrong_length"
    SIGNATURE_NOT_LOWER_HEX = "signature_not_lower_hex"
    SIGNATURE_WRONG = "signature_wrong"


class WebhookRefused(Unauthenticated):
    """The header pair does not prove that the provider sent this; `reason` says why."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__("The webhook's signature is missing or wrong.")
        self.reason = reason
