"""Reference rates: the middle around which simulated prices move, as a service of such rates says it."""

from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onramp_app.simulator.market.catalog import catalog
from onramp_app.simulator.wire import now_ms, to_json

# The provider's own symbols, by the codes of ISO 4217 that the rest of the world uses.
_ISO = {"RAND": "ZAR", "TWN": "TWD", "GAB": "XAF", "COG": "XAF"}


async def _reference_rates(_request: Request) -> Response:
    rates = {_ISO.get(fiat.symbol, fiat.symbol): fiat.per_usd for fiat in catalog().fiats.values()}
    coins = {coin.code.upper(): 1 / coin.usd for coin in catalog().coins.values() if coin.usd != Decimal(1)}
    body = {"base": "USD", "timestamp": now_ms() // 1000, "rates": rates | coins}
    return Response(to_json(body), media_type="application/json")


def routes() -> list[Route]:
    """Return the one route."""
    return [Route("/reference-rates", _reference_rates, methods=["GET"])]
