"""The page states of a signed-in person with money hold no secrets and no database rows."""

import io
import pickle

import httpx
import pytest
from reflex.state import State
from reflex.utils.format import json_dumps
from reflex_base.registry import RegistrationContext

from onramp_app.onramp_app import app
from onramp_app.web.add_money import open_state
from tests.attack.scene import Scene
from tests.attack.wire import Wire

ON_LOAD = "reflex___state____state.reflex___state____on_load_internal_state.on_load_internal"
_PATHS = ("/home", "/activity", "/profile", "/add-money", "/verify")


async def _all_pages(asgi, scene: Scene) -> tuple[Wire, State]:
    """Open every page of Bo's in one tab. Returns the tab and its state on the server."""
    wire = await Wire(asgi, cookie=await scene.cookie_of(scene.bo)).connect()
    details = [f"/{page}/{target}" for page in ("activity", "add-money") for target in scene.targets]
    for path in (*_PATHS, *details):
        await wire.hydrate(path=path)
        wire.event(ON_LOAD, path=path)
        await wire.settle()
    await wire.close()
    return wire, next(state for key, state in app.state_manager.states.items() if wire.token in str(key))


async def test_a_tab_holds_no_secret_and_no_rows_of_tables(
    asgi, scene: Scene, no_event_limit, monkeypatch: pytest.MonkeyPatch
):
    # No reader runs here, so a page that requests a read from the provider would wait in vain.
    monkeypatch.setattr(open_state, "READ_WITHIN_SECONDS", 0.1)
    wire, state = await _all_pages(asgi, scene)
    everything = wire.heard + json_dumps(state.dict())
    assert scene.bo.email in everything, "the control: this is where the values are"
    urls = [url for (url,) in scene.wallet.rows("SELECT url FROM widget_sessions")]
    for url in urls:  # A widget URL contains its recognition id, and is meant for the person.
        everything = everything.replace(url, "")
    recognition_ids = [row[0] for row in scene.wallet.rows("SELECT recognition_id FROM widget_sessions")]
    hashes = [row[0] for row in scene.wallet.rows("SELECT password_hash FROM users")]
    secrets = [scene.bo.access_token, scene.bo.refresh_token, "simulator-secret", "simulator-key", "eyJ"]
    for secret in (*secrets, *hashes, *recognition_ids, "password_hash", "recognition_id", '"raw"'):
        assert secret not in everything.replace("apiKey", ""), secret[:12]
    _expect_no_rows_of_tables(state)


def _expect_no_rows_of_tables(state: State) -> None:
    """Assert that the state pickled between events refers to classes of the pages, none of the database."""
    named: set[str] = set()

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            named.add(module)
            return super().find_class(module, name)

    left = [state]
    for part in left:
        left += part.substates.values()
        Reader(io.BytesIO(part._serialize())).load()
    assert any(module.startswith("onramp_app.web") for module in named), "the control: classes are named"
    assert [module for module in named if module.startswith(("onramp_app.db", "sql"))] == []


def test_no_state_keeps_anything_in_the_browsers_storage():
    """The server's end of the socket refuses storage values that pages report (`page_socket.py`)."""
    with app.set_contexts():
        states = {found.states[0] for found in RegistrationContext.get().event_handlers.values()}
    kept = [
        f"{state.__name__}.{name}"
        for state in states
        for name in state.base_vars
        if state._is_client_storage(name)
    ]
    assert kept == []


async def test_no_route_takes_uploads(asgi):
    transport = httpx.ASGITransport(app=asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:3000") as client:
        for path in ("/_upload", "/_upload/", "/_upload/x"):
            answer = await client.post(path, files={"files": b"x"}, headers={"Reflex-Client-Token": "t"})
            assert answer.status_code in (404, 405)
