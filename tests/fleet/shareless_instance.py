"""The application with a fault: one network may use up all capacity. For control tests."""

from onramp_app.domain import shares
from onramp_app.onramp_app import app
from onramp_app.top_ups import top_ups

__all__ = ["app"]


async def _nothing(_: object) -> None:
    return


shares.TakenPlaces.is_spent = lambda *_: False
top_ups.may_begin = _nothing
