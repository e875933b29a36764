"""The application as it is served, in this process, and two people: Ada, and Bo with what nobody else may see."""

import os
from collections.abc import AsyncIterator

import pytest
from starlette.types import ASGIApp


@pytest.fixture(scope="session")
def served() -> ASGIApp:
    """All layers in front of and below the pages, without the compiled pages."""
    os.environ["__REFLEX_SKIP_COMPILE"] = "true"
    from onramp_app.onramp_app import app

    made: ASGIApp = app()
    return made


@pytest.fixture
async def asgi(served: ASGIApp, database: str) -> AsyncIterator[ASGIApp]:
    from onramp_app.onramp_app import app

    async with app._setup_event_processor():
        yield served
