"""The application as it is served, in this process; Ada, the attacker; and Bo, whose data nobody may see."""

import logging
import os
import random
from collections.abc import AsyncIterator, Iterator

import pytest
from limits import RateLimitItemPerSecond
from starlette.types import ASGIApp

from onramp_app.web.tabs import admission, holders
from tests.api.conftest import client, new_person, wallet
from tests.attack.scene import Logged, Scene, prepare
from tests.log_lines import log_lines
from tests.web.conftest import new_account

__all__ = ["client", "new_account", "new_person", "wallet"]


@pytest.fixture(scope="session")
def served() -> ASGIApp:
    """The application with all layers around the pages, without the compiled pages."""
    os.environ["__REFLEX_SKIP_COMPILE"] = "true"
    from onramp_app.onramp_app import app

    made: ASGIApp = app()
    return made


@pytest.fixture
async def asgi(served: ASGIApp, database: str) -> AsyncIterator[ASGIApp]:
    from onramp_app.onramp_app import app

    async with app._setup_event_processor():
        yield served
    holders.keep_only(())


@pytest.fixture
def no_event_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lift the limit on events: a flood of events is an attack that another test covers."""
    monkeypatch.setattr(admission, "EVENTS", (RateLimitItemPerSecond(10**9, namespace="attack"),))


@pytest.fixture
async def scene(wallet, new_person) -> Scene:
    ada = await new_person(display_name="Ada", country="IN")
    bo = await new_person(display_name="Bo Canary", country="BR")
    return await prepare(wallet, ada, bo)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, served: ASGIApp) -> Iterator[Logged]:
    """The log output under the real configuration, at its most verbose."""
    with log_lines(monkeypatch, level="debug") as output:
        faults = Logged(output)
        logging.getLogger().addHandler(faults)
        yield faults


@pytest.fixture
def seed() -> int:
    """The seed of a run; set ATTACK_SEED to repeat one."""
    return int(os.environ.get("ATTACK_SEED", random.randrange(2**32)))
