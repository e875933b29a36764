"""Opens the envelope of Onramp's answers, and maps each of its error codes to an error of ours.

Source of the codes: the provider's API documentation, "Error codes".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from onramp_app.domain.clock import now
from onramp_app.domain.errors import ApplicationError
from onramp_app.domain.exact_json import Json, NotJson, read_json
from onramp_app.providers.errors import (
    AmountOutOfLimits,
    ProviderBusy,
    ProviderCredentialsRefused,
    ProviderLoginRequired,
    ProviderOrderGone,
    ProviderPriceIrregular,
    ProviderRequestRefused,
    ProviderUnavailable,
    Suspect,
    UnsupportedAsset,
)
from onramp_app.providers.onramp.wire import Answer, int_or_none, text_or_none, unreadable_answer

MAX_RETRY_AFTER_SECONDS = 3600


class Outcome(StrEnum):
    """How one call ended; labels the call in metrics and logs."""

    OK = "ok"
    REFUSED = "refused"
    CREDENTIALS = "credentials"
    AHEAD_OF_TIME = "ahead_of_time"
    BUSY = "busy"
    FAULT = "fault"
    UNREADABLE = "unreadable"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    OWN_RATE = "own_rate"
    BREAKER_OPEN = "breaker_open"
    CANCELED = "canceled"

    @property
    def is_provider_down(self) -> bool:
        """Whether this outcome suggests that the provider is down; a refusal proves that it is up."""
        return self in {Outcome.FAULT, Outcome.UNREADABLE, Outcome.TIMEOUT, Outcome.CONNECTION}


class CallFailed(Exception):
    """How a call failed, and the error for its caller. Never leaves the client.

    `hold_seconds`: how long to send nothing to the endpoint; None: no need to wait.
    """

    def __init__(self, error: ApplicationError, outcome: Outcome, *, hold_seconds: int | None = None) -> None:
        super().__init__(outcome)
        self.error = error
        self.outcome = outcome
        self.hold_seconds = hold_seconds


@dataclass(frozen=True, slots=True)
class _Row:
    error: type[ApplicationError]
    outcome: Outcome
    detail: str
    retry_after_seconds: int | None = None


_REFUSED = "The payment provider did not accept the request."
_AWAY = "The payment provider does not answer at the moment. Try again shortly."
_ERRORS: dict[int, _Row] = {
    400: _Row(ProviderRequestRefused, Outcome.REFUSED, _REFUSED),
    401: _Row(
        ProviderCredentialsRefused, Outcome.CREDENTIALS, "The payment provider refused our credentials."
    ),
    403: _Row(ProviderCredentialsRefused, Outcome.REFUSED, "The payment provider refused our access."),
    404: _Row(ProviderRequestRefused, Outcome.REFUSED, _REFUSED),
    406: _Row(UnsupportedAsset, Outcome.REFUSED, "The payment provider does not sell this asset here."),
    409: _Row(ProviderRequestRefused, Outcome.REFUSED, _REFUSED),
    413: _Row(AmountOutOfLimits, Outcome.REFUSED, "The amount is outside the payment provider's limits."),
    416: _Row(ProviderRequestRefused, Outcome.REFUSED, _REFUSED),
    417: _Row(ProviderOrderGone, Outcome.REFUSED, "The payment provider does not know this order any more."),
    428: _Row(
        ProviderPriceIrregular,
        Outcome.REFUSED,
        "The price moves too much to quote at the moment. Try again shortly.",
        retry_after_seconds=30,
    ),
    429: _Row(ProviderBusy, Outcome.BUSY, "The payment provider is busy. Try again shortly.", 10),
    500: _Row(ProviderUnavailable, Outcome.FAULT, _AWAY, 5),
    503: _Row(ProviderUnavailable, Outcome.FAULT, "The payment provider is under maintenance.", 30),
}


def open_envelope(
    http_status: int, text: bytes, *, retry_after: str | None = None, is_white_label: bool = False
) -> Answer:
    """Return a successful answer.

    Raises:
        CallFailed: with the error that the table gives for the code. Where the envelope and the HTTP status
            disagree, the envelope's error code takes precedence, then any HTTP status of 400 to 599.
    """
    envelope = _read_envelope(text)
    if isinstance(envelope, dict) and 200 <= http_status < 300 and int_or_none(envelope.get("status")) == 1:
        if "data" not in envelope:
            raise unreadable()
        return Answer(envelope["data"], text.decode())
    fields = envelope if isinstance(envelope, dict) else {}
    code = int_or_none(fields.get("code")) if int_or_none(fields.get("status")) == 0 else None
    if code is None or not 400 <= code <= 599:
        code = http_status
    if not 400 <= code <= 599:
        raise unreadable()
    raise _failure(code, fields, retry_after=retry_after, is_white_label=is_white_label)


def _read_envelope(text: bytes) -> Json:
    try:
        return read_json(text.decode())
    except (UnicodeDecodeError, NotJson):
        return None


def _failure(
    code: int, fields: Mapping[str, Json], *, retry_after: str | None, is_white_label: bool
) -> CallFailed:
    message = fields.get("error") or fields.get("message") or ""
    message_text = message.lower() if isinstance(message, str) else ""
    row = _in_words(message_text) if code == 400 else None
    row = row or _ERRORS.get(code) or _ERRORS[400 if code < 500 else 500]
    if code == 401 and "ahead of time" in message_text:
        return CallFailed(row.error("Our clock is ahead of the payment provider's."), Outcome.AHEAD_OF_TIME)
    if code == 401:
        return CallFailed(ProviderCredentialsRefused(row.detail, suspect=_suspect(message_text)), row.outcome)
    if code == 403 and is_white_label and "login" in message_text:
        return CallFailed(ProviderLoginRequired("Sign in with the payment provider first."), Outcome.REFUSED)
    if row.error is ProviderRequestRefused:
        refused = ProviderRequestRefused(
            row.detail, provider_code=code, customer_id=_customer_id(fields) if is_white_label else None
        )
        return CallFailed(refused, row.outcome)
    asked = retry_after_seconds(retry_after) if row.outcome in {Outcome.BUSY, Outcome.FAULT} else None
    wait = asked or row.retry_after_seconds
    hold = wait if row.outcome is Outcome.BUSY else asked
    return CallFailed(row.error(row.detail, retry_after_seconds=wait), row.outcome, hold_seconds=hold)


def _in_words(message_text: str) -> _Row | None:
    """Return what the message of a plain 400 means; public clients of the provider rely on these words.

    A hint only: any other message means an ordinary refusal, and no figure is taken from the text.
    """
    if "invalid orderid" in message_text:
        return _ERRORS[417]
    return _ERRORS[413] if "minimum" in message_text or "maximum" in message_text else None


def _suspect(message_text: str) -> Suspect:
    # Only a hint for the operator: the wording is not documented and may change.
    if "signature" in message_text:
        return Suspect.SECRET
    return Suspect.KEY if "key" in message_text else Suspect.EITHER


def _customer_id(fields: Mapping[str, Json]) -> str | None:
    # The id's place in that answer is not documented, so each place where it was seen is tried.
    for place in (fields, fields.get("data"), fields.get("error")):
        if isinstance(place, Mapping) and (found := text_or_none(place.get("customerId"), max_characters=64)):
            return found
    return None


def unreadable() -> CallFailed:
    """Return the `CallFailed` for an answer that is not what the documentation describes."""
    return CallFailed(unreadable_answer(), Outcome.UNREADABLE)


def retry_after_seconds(value: str | None) -> int | None:
    """Return the wait that a `Retry-After` header asks for, 1 to 3600 seconds, or None if it is unusable.

    The header holds seconds or a date: RFC 9110 section 10.2.3.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return max(1, min(int(text[:6]), MAX_RETRY_AFTER_SECONDS))
    try:
        moment: datetime = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(1, min(int((moment - now()).total_seconds()) + 1, MAX_RETRY_AFTER_SECONDS))
