"""Events that one socket started and that are still running when the tab reconnects on another socket."""

import asyncio

import pytest

from onramp_app.accounts import sessions
from onramp_app.onramp_app import app
from onramp_app.web.entrance.state import EntranceState
from onramp_app.web.tabs import holders
from tests.attack.scene import new_address
from tests.attack.test_hostile_events import plant
from tests.attack.wire import Wire

SLOWLY = f"{EntranceState.get_full_name()}.slowly"


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Register a background handler that waits for this, then chains another event, as the wizard's does."""
    event = asyncio.Event()

    async def slowly(self: EntranceState) -> object:
        await event.wait()
        return EntranceState.propose_currency("IN")  # type: ignore[operator]

    slowly._reflex_background_task = True  # type: ignore[attr-defined]
    plant("slowly", slowly, monkeypatch)
    return event


@pytest.mark.parametrize("who", ["the same person", "somebody else"])
async def test_it_takes_nothing_from_whoever_has_the_tab_now(asgi, scene, no_event_limit, go_on, who):
    first = await Wire(asgi, cookie=scene.ada_cookie, address=new_address()).connect()
    await first.hydrate()
    first.event(SLOWLY)
    await asyncio.sleep(0.1)
    await first.close()
    cookie = scene.ada_cookie
    if who == "somebody else":
        await sessions.end_cookie_session(scene.ada_cookie)
        cookie = await scene.cookie_of(scene.bo)
    second = await Wire(asgi, cookie=cookie, token=first.token, address=new_address()).connect()
    second.event("reflex___state____state.hydrate_and_load", path="/profile")
    await second.until('"is_hydrated_rx_state_":true')
    before = holders.holder_of(second.token)
    assert before is not None
    assert before.socket_id == app.event_namespace.token_to_sid[second.token]
    go_on.set()
    await second.settle()
    assert holders.holder_of(second.token) == before, "pushes and the end of the session still reach it"
    assert scene.leaks(first.heard) == []
    await second.close()
