"""A failed event is answered once, even when the state that the answer would change is unavailable."""

import asyncio

from redis.exceptions import ConnectionError as RedisConnectionError

from onramp_app.web.entrance.state import EntranceState
from onramp_app.web.tabs.admission import SessionMiddleware
from onramp_app.web.tabs.loads import page_loads
from onramp_app.web.tabs.session import SessionState
from tests.attack.wire import Wire

PROPOSE = f"{EntranceState.get_full_name()}.propose_currency"


async def test_an_event_whose_state_cannot_be_had_fails_once_and_its_page_is_to_load_again(
    asgi, database, logged, monkeypatch
):
    """The states may be in a Redis that is down; the page is answered without them."""
    wire = await Wire(asgi).connect()
    await wire.hydrate(path="/register")

    async def away(*_args: object, **_named: object) -> None:
        raise RedisConnectionError("away")

    monkeypatch.setattr(SessionMiddleware, "preprocess", away)
    wire.event(PROPOSE, {"country": "IN"})
    await asyncio.sleep(0.5)
    assert "didn't go through" in "".join(page_loads.take_unanswered().values())
    assert [fault for fault in logged.faults if "event failed" in fault] == []
    await wire.close()


async def test_a_fault_of_a_handler_is_still_told(asgi, database, logged, monkeypatch):
    wire = await Wire(asgi).connect()
    await wire.hydrate(path="/register")
    preprocess = SessionMiddleware.preprocess

    async def fail_once(self, *, app, state, event):
        if event.name == PROPOSE:
            raise ValueError("a fault")
        return await preprocess(self, app=app, state=state, event=event)

    monkeypatch.setattr(SessionMiddleware, "preprocess", fail_once)
    for _ in range(2):
        wire.received.clear()
        wire.event(PROPOSE, {"country": "IN"})
        await wire.until("Something on our side failed")
    assert SessionState.get_full_name() in wire.heard
    await wire.close()
