"""The socket accepts what our pages send: every handler, with arguments of its declared types."""

from typing import Any

from reflex_base.utils.form import FORM_DATA_ENTRIES_KEY

from tests.attack.test_hostile_events import arguments_of, handlers
from tests.attack.wire import Wire

FIELDS = {"display_name": "Ada", "country": "IN", "amount": "1000"}
# A form as the browser sends it: its fields in order, under one key (Reflex's `encodeFormDataArgs`).
FORM = {FORM_DATA_ENTRIES_KEY: [[name, value] for name, value in FIELDS.items()]}


def _honest(hint: Any) -> object:
    if hint is str:
        return "text"
    if hint is bool:
        return True
    if hint in (int, float):
        return 1
    return FORM if "dict" in str(hint) else None


def test_every_handler_of_ours_takes_what_its_page_sends() -> None:
    from onramp_app.web.tabs.socket import _accepts

    our_handlers = {name: handler for name, handler in handlers().items() if "onramp_app" in name}
    assert len(our_handlers) > 20
    refused = [
        name
        for name, handler in our_handlers.items()
        if not _accepts(handler, {key: _honest(hint) for key, hint in arguments_of(handler).items()})
        and not name.endswith(".setvar")
    ]
    assert refused == []


async def test_a_form_reaches_its_handler(asgi, scene, no_event_limit) -> None:
    wire = await Wire(asgi, cookie=scene.ada_cookie).connect()
    await wire.hydrate()
    name = next(name for name in handlers() if name.endswith("profile_state.save_details"))
    wire.event(name, {"form": FORM})
    await wire.settle()
    assert '"details_saved_rx_state_":true' in wire.heard
    await wire.close()
