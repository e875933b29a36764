"""JSON as the provider writes it, its envelope and its errors. Amounts are Decimal and never float."""

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import Response

MAX_BODY_BYTES = 65_536
_MOST_DIGITS = 60


class ProviderError(Exception):
    """The provider's refusal: its code, which is the HTTP status as well, and its sentence.

    `plain` is the sentence of the same refusal where it comes as code 400, as it often does.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        data: Any = None,
        retry_after_seconds: int | None = None,
        plain: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.retry_after_seconds = retry_after_seconds
        self.plain = plain


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON with every fraction as Decimal. Raises ValueError, also for NaN and absurd depth."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def number_text(value: Decimal) -> str:
    """Return plain digits without zeros at the end; with an exponent only where digits would fill pages."""
    if value and abs(value.adjusted()) > _MOST_DIGITS:
        return str(value)
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def to_json(value: Any) -> str:
    """Write JSON; a Decimal becomes a number from its own digits, which the standard library cannot do."""
    if isinstance(value, Decimal):
        return number_text(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(k))}:{to_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(to_json, value)) + "]"
    if isinstance(value, float):
        raise TypeError("a float reached the wire")
    return json.dumps(value)


def json_response(content: str, status: int = 200, *, retry_after_seconds: int | None = None) -> Response:
    """Answer with JSON text that is already written."""
    headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
    return Response(content, status_code=status, media_type="application/json", headers=headers)


async def read_limited(request: Request) -> bytes:
    """Read the body. Raises 413 as soon as it is longer than the limit."""
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > MAX_BODY_BYTES:
            raise ProviderError(413, "Request body is too large")
    return bytes(chunks)


def success(data_text: str) -> Response:
    """Wrap the JSON text of `data` in the provider's envelope."""
    return json_response('{"status":1,"code":200,"data":' + data_text + "}")


def failure(error: ProviderError) -> Response:
    """Wrap a refusal in the provider's envelope, with the HTTP status set as well."""
    content: dict[str, Any] = {"status": 0, "code": error.code, "error": error.message}
    if error.data is not None:
        content["data"] = error.data
    return json_response(to_json(content), error.code, retry_after_seconds=error.retry_after_seconds)


def now_ms() -> int:
    """Return the wall clock in milliseconds."""
    return time.time_ns() // 1_000_000


def iso_time(milliseconds: int) -> str:
    """Return the provider's form of a time: `2022-10-07T22:29:52.000Z`."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def printed_document(document: dict[str, Any]) -> dict[str, Any]:
    """Return the order as the provider prints it: the same fields are numbers in one and text in another."""
    order_id = int(document["orderId"])
    as_text: tuple[str, ...] = ()
    if order_id % 2:
        as_text += ("paymentType",)
    if order_id % 4 == 3:
        as_text += ("coinId", "chainId")
    if order_id % 5 == 4:
        as_text += ("actualCryptoAmount", "fiatAmount")
    return {
        name: _text(value) if name in as_text and value is not None else value
        for name, value in document.items()
    }


def _text(value: Any) -> str:
    return to_json(value) if isinstance(value, int | Decimal) else str(value)
