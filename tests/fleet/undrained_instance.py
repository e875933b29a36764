"""The application as it would be if nobody told it that the server ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from onramp_app.api.frame.ending import Ending


@asynccontextmanager
async def _unheard(ending: Ending) -> AsyncIterator[None]:
    yield


Ending.heard = _unheard  # type: ignore[method-assign]

from onramp_app.onramp_app import app  # noqa: E402 - it hears from its start on

__all__ = ["app"]
