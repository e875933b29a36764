"""Parses one of the provider's orders into the product's terms.

One bad field never spoils an order: it becomes None, and the order keeps its untouched text.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from onramp_app.domain.exact_json import Json, NotJson, read_json
from onramp_app.domain.payments import PaymentKind
from onramp_app.providers.onramp.maps import currency_of_fiat_type
from onramp_app.providers.onramp.wire import amount_or_none, int_or_none, text_or_none
from onramp_app.providers.port import ProviderOrder
from onramp_app.providers.status import Flow, StatusClass, status_class, white_label_status_class

MAX_ORDER_ID_CHARACTERS = 64
MAX_RAW_CHARACTERS = 64 * 1024
# Members of an order that may hold its memo; the provider documents none.
_MEMO_MEMBERS = ("addressTag", "memo")


def order_id_of(fields: Mapping[str, Json]) -> str | None:
    """Return the order's id as opaque text, or None; an order without an id cannot be recorded."""
    return text_or_none(fields.get("orderId"), max_characters=MAX_ORDER_ID_CHARACTERS)


def read_order(fields: Mapping[str, Json], *, raw: str, flow: Flow) -> ProviderOrder | None:
    """Return the order, or None when it has no usable id or more than `MAX_RAW_CHARACTERS`.

    Args:
        fields: the parsed object.
        raw: the object's untouched text.
        flow: which list it came from; the status numbers mean nothing without it.
    """
    order_id = order_id_of(fields)
    if order_id is None or len(raw) > MAX_RAW_CHARACTERS:
        return None
    fiat_type = int_or_none(fields.get("fiatType"))
    number, text, known = _status(fields, flow)
    kyc_needed = int_or_none(fields.get("kycNeeded"))
    return ProviderOrder(
        order_id=order_id,
        flow=flow,
        status_number=number,
        status_text=text,
        status_class=known,
        recognition_id=text_or_none(fields.get("merchantRecognitionId")),
        reference_id=text_or_none(fields.get("referenceId")),
        wallet_address=text_or_none(fields.get("walletAddress")),
        coin_id=int_or_none(fields.get("coinId")),
        chain_id=int_or_none(fields.get("chainId")),
        transaction_hash=text_or_none(fields.get("transactionHash")),
        fiat_type=fiat_type,
        currency=currency_of_fiat_type(fiat_type),
        fiat_amount=amount_or_none(fields.get("fiatAmount")),
        payment_kind=payment_kind_of(fields.get("paymentType")),
        expected_price=amount_or_none(fields.get("expectedPrice")),
        expected_amount=amount_or_none(fields.get("expectedCryptoAmount")),
        actual_price=amount_or_none(fields.get("actualPrice")),
        bought_amount=amount_or_none(fields.get("actualCryptoAmount")),
        gas_fee=amount_or_none(fields.get("gasFee")),
        provider_fee=amount_or_none(fields.get("onRampFee", fields.get("onrampFee"))),
        client_fee=amount_or_none(fields.get("clientFee")),
        gateway_fee=amount_or_none(fields.get("gatewayFee")),
        is_kyc_needed=None if kyc_needed is None else kyc_needed == 1,
        created_at=moment_or_none(fields.get("createdAt")),
        raw=raw,
    )


def _status(fields: Mapping[str, Json], flow: Flow) -> tuple[int | None, str | None, StatusClass | None]:
    value = fields.get("status")
    number = int_or_none(value)
    if number is not None:
        return number, None, status_class(flow, number)
    text = text_or_none(value, max_characters=64)
    if text is None:
        return None, None, status_class(flow, None)
    reasons = failure_reasons_of(fields)
    return None, text, white_label_status_class(flow, text, failure_reasons=reasons)


def failure_reasons_of(fields: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the texts in `metadata.failure_reasons`, which holds one text or a list of them."""
    metadata = fields.get("metadata")
    found = metadata.get("failure_reasons") if isinstance(metadata, Mapping) else None
    listed = found if isinstance(found, list) else [found]
    return tuple(text for item in listed[:16] if (text := text_or_none(item)) is not None)


def memo_of(record: str) -> str | None:
    """Return the memo in an order's untouched text; None where none can be read."""
    try:
        value = read_json(record)
    except NotJson:
        return None
    fields = value if isinstance(value, dict) else {}
    return next((memo for name in _MEMO_MEMBERS if (memo := text_or_none(fields.get(name)))), None)


def payment_kind_of(value: Json) -> PaymentKind | None:
    """Return the payment kind of a number or numeric text; None unless it is a whole number above zero."""
    number = int_or_none(value)
    if number is None or number < 1:
        return None
    return PaymentKind(number) if number in {kind.value for kind in PaymentKind} else PaymentKind.OTHER


def moment_or_none(value: Json) -> datetime | None:
    """Return an ISO 8601 time as an aware UTC one, or None. A time without an offset is taken as UTC."""
    text = text_or_none(value, max_characters=40)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # Outside these years the time is nonsense, and may not fit PostgreSQL or a page's calendar.
    return moment if 2000 <= moment.year <= 2200 else None
