"""The table of the provider's endpoints: address, rate limit, and whether a call may safely be retried."""

from dataclasses import dataclass
from typing import Literal

DOCUMENTED_REQUESTS_PER_MINUTE = 10
SHARED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint.

    `is_read`: the call changes nothing at the provider, so a failed attempt may be retried.
    `requests_per_minute`: the documented limit; None where none is documented.
    `shared_seconds`: how long one answer is cached for all callers of this process (0: never shared).
    `is_chosen`: the asker chooses what is requested, so each asker gets a limited share of the requests. A
    request that is the same for all is made on everybody's behalf.
    """

    name: str
    path: str
    method: Literal["GET", "POST"] = "POST"
    is_read: bool = True
    is_white_label: bool = False
    requests_per_minute: int | None = None
    shared_seconds: int = 0
    is_chosen: bool = False

    @property
    def is_signed(self) -> bool:
        """Every POST is signed; the GET endpoints are public."""
        return self.method == "POST"


def _limited(
    name: str, path: str, method: Literal["GET", "POST"] = "POST", *, is_chosen: bool = False
) -> Endpoint:
    return Endpoint(
        name,
        path,
        method,
        requests_per_minute=DOCUMENTED_REQUESTS_PER_MINUTE,
        shared_seconds=SHARED_SECONDS,
        is_chosen=is_chosen,
    )


_V2 = "/onramp/api/v2"
_COMMON = f"{_V2}/common"
_WHITE_LABEL = f"{_V2}/whiteLabel"

CURRENT_TIMESTAMP = Endpoint("current_timestamp", f"{_COMMON}/public/currentTimestamp", "GET")
QUOTES = Endpoint("quotes", f"{_COMMON}/transaction/quotes", is_chosen=True)
MERCHANT_HISTORY = Endpoint("merchant_history", "/onramp/api/v1/transaction/merchantHistory")
LIMITS = _limited("limits", f"{_COMMON}/transaction/limits")
CONFIG_MAPPING = _limited("config_mapping", f"{_COMMON}/transaction/allConfigMapping")
CHAIN_MAPPING = _limited("chain_mapping", f"{_COMMON}/transaction/allChainMapping")
COIN_LIMITS = _limited("coin_limits", f"{_COMMON}/transaction/allCoinLimits", is_chosen=True)
GAS_FEES = _limited("gas_fees", f"{_COMMON}/transaction/allGasFee")
COUNTRY_CONFIG = _limited("country_config", f"{_COMMON}/public/fetchAllCountryConfig", "GET")
PAYMENT_METHODS = Endpoint(
    "payment_methods", f"{_COMMON}/public/fetchPaymentMethodType", "GET", shared_seconds=SHARED_SECONDS
)
PUBLIC_CONFIG = Endpoint(
    "public_config", f"{_V2}/sell/public/allConfig", "GET", shared_seconds=SHARED_SECONDS
)
GENERATE_LINK = Endpoint("generate_link", f"{_COMMON}/transaction/generateLink", is_chosen=True)
GENERATE_URL = Endpoint("generate_url", "/sdk-apis/generate-url", "GET", is_chosen=True)

# Setting an address is idempotent, but a retry that arrives late could overwrite a newer address, and a
# retried resend is a second delivery. So only an operator, who sees the outcome, repeats these calls.
SET_WEBHOOK_URL = Endpoint("set_webhook_url", "/onramp/api/v1/merchant/setWebhookUrl", is_read=False)
RESEND_WEBHOOK = Endpoint("resend_webhook", "/onramp/api/v1/merchant/resendWebhook", is_read=False)
SEND_DUMMY_WEBHOOK = Endpoint("send_dummy_webhook", "/onramp/api/v1/merchant/sendDummyWebhook", is_read=False)

KYC_URL = Endpoint("kyc_url", f"{_WHITE_LABEL}/kyc/url", is_read=False, is_white_label=True)
KYC_STATUS = Endpoint("kyc_status", f"{_WHITE_LABEL}/kyc/status", is_white_label=True)
USER_LIMIT = Endpoint("user_limit", f"{_WHITE_LABEL}/user/limit", is_white_label=True)
WHITE_LABEL_ORDER = Endpoint("white_label_order", f"{_WHITE_LABEL}/onramp/transaction", is_white_label=True)
