"""The white-label API: identity verification, and orders placed on our own screens. ONRAMP_WHITE_LABEL only.

This product line needs the provider's approval, and how its webhooks are authenticated is not published, so
everything here is read by asking the provider.
"""

import re
from collections.abc import Mapping

from onramp_app.config import ConfigurationError, Settings
from onramp_app.domain.exact_json import Json, JsonOut, member_text
from onramp_app.providers.onramp.http import endpoints
from onramp_app.providers.onramp.http.transport import Transport
from onramp_app.providers.onramp.links import MAX_LINK_CHARACTERS, may_be_opened
from onramp_app.providers.onramp.orders import moment_or_none, read_order
from onramp_app.providers.onramp.wire import amount_or_none, text_or_none, unreadable_answer
from onramp_app.providers.port import (
    CustomerLimits,
    KycLink,
    KycMeaning,
    KycProvider,
    KycReport,
    ProviderOrder,
)
from onramp_app.providers.status import Flow

_MEANINGS = {
    "LOGIN_REQUIRED": KycMeaning.STARTED,
    "OTP_COMPLETED": KycMeaning.STARTED,
    "BASIC_KYC_COMPLETED": KycMeaning.APPROVED_BASIC,
    "INTERMEDIATE_KYC_COMPLETED": KycMeaning.APPROVED_BASIC,
    "ADVANCE_KYC_COMPLETED": KycMeaning.APPROVED_FULL,  # sic
    "EDD_COMPLETED": KycMeaning.APPROVED_FULL,
    "COMPLETED": KycMeaning.APPROVED_FULL,
    "IN_REVIEW": KycMeaning.IN_REVIEW,
    "TEMPORARY_FAILED": KycMeaning.RESUBMIT,
    "TEMPORARY_FAILURE": KycMeaning.RESUBMIT,
    "PERMANENT_FAILED": KycMeaning.REJECTED,
    "PERMANENT_FAILURE": KycMeaning.REJECTED,
}
UNREADABLE_WORD = "UNREADABLE"
_WORD = re.compile(r"[A-Z]{1,20}(_[A-Z]{1,20}){0,4}")


def word_of(text: str | None) -> str:
    """Return a status word that is safe to store, or `UNREADABLE`.

    A field that should hold a status could hold anything. No digits and no lower-case letters get through to
    our tables and logs, and so no document numbers, dates or sentences.
    """
    word = (text or "").strip().upper() if (text or "").isascii() else ""
    known = word in _MEANINGS
    return word if known or (text and _WORD.fullmatch(text)) else UNREADABLE_WORD


class WhiteLabelClient:
    """Implements `providers.port.KycProvider`. All methods raise the errors of `providers.errors`."""

    def __init__(self, transport: Transport, *, is_simulated: bool = False) -> None:
        self._transport = transport
        self._is_simulated = is_simulated

    async def kyc_link(
        self, *, email: str, phone_number: str, client_customer_id: str, redirect_url: str | None = None
    ) -> KycLink:
        """Begin a person's verification. `phone_number` is written as `+91-9999999999`.

        For a phone number that it already knows, the provider refuses and names the customer: raises
        `ProviderRequestRefused` with `customer_id`, for `kyc_link_again`. Never retried, because it creates a
        customer.
        """
        body: dict[str, JsonOut] = {
            "email": email,
            "phoneNumber": phone_number,
            "clientCustomerId": client_customer_id,
            "type": "INDIVIDUAL",
        }
        return await self._link({**body, **({"kycRedirectUrl": redirect_url} if redirect_url else {})})

    async def kyc_link_again(self, customer_id: str, *, redirect_url: str | None = None) -> KycLink:
        """Return a fresh verification address for a person whom the provider already knows."""
        body: dict[str, JsonOut] = {"customerId": customer_id, "type": "INDIVIDUAL"}
        return await self._link({**body, **({"kycRedirectUrl": redirect_url} if redirect_url else {})})

    async def _link(self, body: Mapping[str, JsonOut]) -> KycLink:
        answer = await self._transport.call(endpoints.KYC_URL, body)
        fields = answer.object()
        url = text_or_none(fields.get("kycUrl"), max_characters=MAX_LINK_CHARACTERS)
        customer_id = text_or_none(fields.get("customerId"), max_characters=64)
        if url is None or customer_id is None or not may_be_opened(url, is_simulated=self._is_simulated):
            raise unreadable_answer()
        client_id = text_or_none(fields.get("clientCustomerId"), max_characters=64)
        return KycLink(url, customer_id, client_id)

    async def kyc_report(self, customer_id: str) -> KycReport:
        """Return a person's verification status in the provider's words."""
        answer = await self._transport.call(endpoints.KYC_STATUS, {"customerId": customer_id})
        # Before the person's first sign-in with the provider, `data` is a bare word instead of an object.
        status = answer.data if isinstance(answer.data, str) else answer.object().get("status")
        text = text_or_none(status, max_characters=64)
        if text is None:
            raise unreadable_answer()
        updated = answer.data.get("updatedAt") if isinstance(answer.data, dict) else None
        word = word_of(text)
        return KycReport(word, moment_or_none(updated), _MEANINGS.get(word))

    async def customer_limits(self, customer_id: str, *, fiat_type: int) -> CustomerLimits:
        """Return what a person may still buy."""
        body: dict[str, JsonOut] = {"customerId": customer_id, "fiatType": fiat_type}
        answer = await self._transport.call(endpoints.USER_LIMIT, body)
        fields = answer.object()
        return CustomerLimits(
            per_order=amount_or_none(fields.get("onrampLimit")),
            raw=member_text(answer.text, "data"),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def order(self, customer_id: str, *, order_id: str) -> ProviderOrder:
        """Return one white-label purchase."""
        body: dict[str, JsonOut] = {"customerId": customer_id, "transactionId": order_id}
        answer = await self._transport.call(endpoints.WHITE_LABEL_ORDER, body)
        # The answer calls the id `transactionId`; it is the one that we asked for.
        fields: dict[str, Json] = {**answer.object(), "orderId": order_id}
        order = read_order(fields, raw=member_text(answer.text, "data"), flow=Flow.BUY)
        if order is None:
            raise unreadable_answer()
        return order


def white_label_from(settings: Settings, transport: Transport) -> KycProvider:
    """Return the white-label client. Raises `ConfigurationError` when ONRAMP_WHITE_LABEL is off."""
    if not settings.onramp_white_label:
        raise ConfigurationError("ONRAMP_WHITE_LABEL is off, and this needs it.")
    return WhiteLabelClient(transport, is_simulated=settings.uses_simulator)
