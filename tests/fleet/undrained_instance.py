"""The application with a fault: it never notices that the server is shutting down. For control tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from onramp_app.api.frame.ending import Ending


@asynccontextmanager
async def _unheard(ending: Ending) -> AsyncIterator[None]:
    yield


Ending.heard = _unheard  # type: ignore[method-assign]

from onramp_app.onramp_app import app  # noqa: E402 - the patch must come first: the app uses it at start

__all__ = ["app"]
