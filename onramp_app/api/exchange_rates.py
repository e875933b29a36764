"""`/api/exchange-rates`: indicative rates, binding for nobody. Public."""

import hashlib
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field

from onramp_app.api.frame.problems import error_responses
from onramp_app.domain import clock
from onramp_app.domain.errors import DatabaseUnavailable, FieldError, ValidationFailed
from onramp_app.domain.money import decimal_text
from onramp_app.pricing.rate_book import RateBook, UnknownSymbol
from onramp_app.pricing.rates import get_rates
from onramp_app.providers.errors import ProviderUnavailable

router = APIRouter(prefix="/api/exchange-rates", tags=["money"])

MAX_SYMBOLS = 50
_SYMBOL = "[A-Z0-9]{2,10}"
Symbol = Annotated[
    str,
    Query(pattern=f"^{_SYMBOL}$", description="A currency (ISO 4217) or an asset", examples=["INR"]),
]
Symbols = Annotated[
    str,
    Query(
        pattern=f"^{_SYMBOL}(,{_SYMBOL}){{0,{MAX_SYMBOLS - 1}}}$",
        description=f"1 to {MAX_SYMBOLS} currencies and assets, separated by commas",
        examples=["USDT,USD"],
    ),
]
Seen = Annotated[
    str | None, Header(max_length=1000, description="An earlier `ETag`: 304 while it is the same")
]


class RatesAnswer(BaseModel):
    """How many of each symbol one unit of `base` buys, as of the oldest price behind the rates.

    `stale` says that `as_of` is more than 15 minutes ago.
    """

    base: str
    as_of: datetime
    source: str
    stale: bool
    rates: Annotated[dict[str, str], Field(examples=[{"USDT": "0.0113", "USD": "0.0113"}])]


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": RatesAnswer,
        "description": "The rates",
        "headers": {"ETag": {"description": "Names this very answer", "schema": {"type": "string"}}},
    },
    304: {"description": "The same as what `If-None-Match` names"},
    **error_responses(ValidationFailed, ProviderUnavailable, DatabaseUnavailable),
}


@router.get("", response_class=Response, responses=_RESPONSES)
async def read_exchange_rates(base: Symbol, symbols: Symbols, if_none_match: Seen = None) -> Response:
    """Return how many units of each symbol one unit of the base buys."""
    answer = _answer(await get_rates().book(), base, list(dict.fromkeys(symbols.split(","))))
    content = answer.model_dump_json().encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "public, max-age=60"}
    if _names(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def _answer(book: RateBook, base: str, symbols: list[str]) -> RatesAnswer:
    try:
        used = book.of([base, *symbols])
    except UnknownSymbol as unknown:
        field = "base" if unknown.symbol == base else "symbols"
        raise ValidationFailed("There is no such rate.", errors=(FieldError(field, str(unknown)),)) from None
    return RatesAnswer(
        base=base,
        as_of=used.as_of,
        source="onramp",
        stale=used.is_stale(clock.now()),
        rates={symbol: decimal_text(rate) for symbol, rate in used.rates(base, symbols).items()},
    )


def _names(if_none_match: str | None, tag: str) -> bool:
    """Return whether `If-None-Match` names the tag: in a list, compared weakly, or `*` (RFC 9110, 13.1.2)."""
    seen = [part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")]
    return tag in seen or "*" in seen
