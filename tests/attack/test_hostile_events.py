"""Every registered event handler is called, anonymously and as Ada, with Bo's ids and arbitrary values.

The handlers are discovered, not listed, so new ones are attacked without a change here.
"""

import inspect
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from reflex.event import Event, EventHandler
from reflex_base.registry import RegisteredEventHandler, RegistrationContext
from starlette.types import ASGIApp

from onramp_app.accounts import sessions
from onramp_app.onramp_app import app
from onramp_app.web.entrance.state import EntranceState
from tests.attack.hostile import TYPED, Malice
from tests.attack.scene import Logged, Scene, new_address
from tests.attack.wire import Wire

PATHS = (
    "/",
    "/home",
    "/add-money",
    "/activity",
    "/profile",
    "/verify",
    "/login?next=//evil.example&reason=x",
)
# The field names of our forms: a form with other fields is refused before it is read.
FIELDS = (
    "email", "password", "display_name", "country", "display_currency", "language", "current_password",
    "new_password", "amount", "fiat_amount", "asset", "network", "payment_method", "q", "status", "cursor",
)  # fmt: skip
EVENTS_A_SOCKET = 25


@dataclass
class Tally:
    calls: int = 0
    leaks: list[str] = field(default_factory=list)
    handlers: Counter[str] = field(default_factory=Counter)


def handlers() -> dict[str, EventHandler]:
    with app.set_contexts():
        return {name: found.handler for name, found in RegistrationContext.get().event_handlers.items()}


def arguments_of(handler: EventHandler) -> dict[str, Any]:
    _state, *parameters = inspect.signature(handler.fn, eval_str=True).parameters.values()
    return {parameter.name: parameter.annotation for parameter in parameters}


async def attack(
    asgi: ASGIApp,
    scene: Scene,
    malice: Malice,
    *,
    calls: int,
    beyond_the_door: bool = False,
    only: str = "",
) -> Tally:
    """Send `calls` events, half as Ada. With `beyond_the_door` they go directly into Reflex's queue."""
    tally = Tally()
    turns = itertools.cycle((name, handler) for name, handler in handlers().items() if name.endswith(only))
    while tally.calls < calls:
        cookie = "" if tally.calls % (2 * EVENTS_A_SOCKET) else scene.ada_cookie
        if cookie and await sessions.resolve_cookie_header(cookie) is None:
            await scene.renew()
            cookie = scene.ada_cookie
        wire = await Wire(asgi, cookie=cookie, address=new_address()).connect()
        await wire.hydrate(path=malice.random.choice([*PATHS, scene.link_path]))
        for name, handler in itertools.islice(turns, EVENTS_A_SOCKET):
            payload = malice.arguments(arguments_of(handler), FIELDS)
            path = _path(malice, scene)
            tally.calls += 1
            tally.handlers[name] += 1
            if beyond_the_door:
                route = app.event_namespace._static_router_data[app.event_namespace.token_to_sid[wire.token]]
                event = Event(
                    name=name,
                    payload=json.loads(json.dumps(payload)),
                    router_data={**route, "pathname": "/home", "asPath": "/home", "token": wire.token},
                )
                await app.event_processor.enqueue(wire.token, event)
            else:
                wire.event(name, payload, path=path)
            if malice.random.random() < 0.05:
                _misshape(wire, malice, name)
        await wire.settle()
        tally.leaks += [
            f"{leak} in {cookie and 'Ada'}: {wire.heard[:200]}" for leak in scene.leaks(wire.heard)
        ]
        await wire.close()
    return tally


def _path(malice: Malice, scene: Scene) -> str:
    # On the page of her add-money link, Ada has only a narrow session.
    others = ("/activity/{id}", "/add-money/{id}", "/home?q={id}", "/?self=1", "/link/{id}")
    path = malice.random.choice([*PATHS, *others, *(scene.link_path for _ in range(4))])
    return path.replace("{id}", malice.text())


def _misshape(wire: Wire, malice: Malice, name: str) -> None:
    """Send a message that no page could send."""
    event = {"name": name, "payload": malice.value(), "router_data": malice.value()}
    match malice.random.randrange(8):
        case 0:
            wire.emit("event", malice.value())
        case 1:
            wire.emit(malice.text(), malice.value(), malice.value())
        case 2:
            wire.emit("event", event, event)
        case 3:
            wire.emit("event", event)
        case 4:
            wire.emit("event", json.dumps(event))
        case 5:
            wire.event(malice.text(), {TYPED: malice.value()})
        case 6:
            wire.emit("client_error", malice.value())
        case _:
            wire.emit("event")


def assert_harmless(
    tally: Tally, scene: Scene, logged: Logged, seed: int, before: dict[str, set[str]]
) -> None:
    note = f"ATTACK_SEED={seed}"
    assert tally.leaks == [], note
    assert scene.rows_of_bo() == before, note
    assert logged.secrets_in(scene) == [], note
    assert set(tally.handlers) == set(handlers()), "every handler had its turn"


async def _through_the_door(asgi, scene, logged, seed, *, calls: int) -> None:
    before = scene.rows_of_bo()
    tally = await attack(asgi, scene, Malice(seed, scene.targets), calls=calls)
    assert_harmless(tally, scene, logged, seed, before)
    assert logged.faults == [], f"ATTACK_SEED={seed} {logged.tracebacks}"
    # Errors that a page reports from its own script are logged verbatim.
    typed = [line for line in logged.text.splitlines() if TYPED in line and '"page failed"' not in line]
    assert typed == [], f"ATTACK_SEED={seed}"


async def _beyond_the_door(asgi, scene, logged, seed, *, calls: int) -> None:
    before = scene.rows_of_bo()
    tally = await attack(asgi, scene, Malice(seed, scene.targets), calls=calls, beyond_the_door=True)
    assert_harmless(tally, scene, logged, seed, before)
    assert logged.faults, "the control of the door: this is what it keeps out"


async def test_hostile_events_show_and_change_nothing_of_anybody_else(
    asgi, scene, logged, seed, no_event_limit
):
    await _through_the_door(asgi, scene, logged, seed, calls=200)


@pytest.mark.full
async def test_ten_thousand_hostile_events(asgi, scene, logged, seed, no_event_limit):
    await _through_the_door(asgi, scene, logged, seed, calls=10_000)


async def test_handlers_guard_themselves_where_the_door_is_passed(asgi, scene, logged, seed, no_event_limit):
    await _beyond_the_door(asgi, scene, logged, seed, calls=200)


@pytest.mark.full
async def test_four_thousand_events_beyond_the_door(asgi, scene, logged, seed, no_event_limit):
    await _beyond_the_door(asgi, scene, logged, seed, calls=4_000)


@pytest.mark.full
async def test_a_handler_that_asks_for_nobody_is_caught(asgi, scene, no_event_limit, monkeypatch):
    """The control: a handler that shows anyone the row of any id."""

    async def show(self: EntranceState, which: str) -> None:
        rows = scene.wallet.rows("SELECT email FROM users WHERE id = %s", which)
        self.message = rows[0][0] if rows else ""

    plant("show", show, monkeypatch)
    tally = await attack(asgi, scene, Malice(1, scene.targets), calls=100, only=".show")
    assert tally.leaks


async def test_a_service_that_forgets_the_person_is_caught(asgi, scene, no_event_limit, monkeypatch):
    """The control for changes: a service that ends any session whose id is known."""

    async def end(_user_id: str, session_id: str, **_named: str) -> None:
        if session_id in scene.targets:
            scene.wallet.run(
                "UPDATE auth_sessions SET revoked_at = now(), end_reason = 'signed_out' WHERE id = %s",
                session_id,
            )

    monkeypatch.setattr(sessions, "end_session", end)
    before = scene.rows_of_bo()
    known = [
        row[0] for row in scene.wallet.rows("SELECT id FROM auth_sessions WHERE user_id = %s", scene.bo.id)
    ]
    malice = Malice(1, known)
    for _ in range(4):
        await attack(asgi, scene, malice, calls=EVENTS_A_SOCKET, only=".end_session")
        if scene.rows_of_bo() != before:
            break
    assert scene.rows_of_bo() != before


async def test_a_handler_that_raises_is_seen(asgi, scene, logged, no_event_limit, monkeypatch):
    """The control for exceptions in the log."""

    async def stumble(self: EntranceState, which: str) -> None:
        raise ValueError(which[:20])

    plant("stumble", stumble, monkeypatch)
    await attack(asgi, scene, Malice(1, scene.targets), calls=EVENTS_A_SOCKET, only=".stumble")
    assert any("event failed" in fault for fault in logged.faults)


def plant(name: str, function: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a handler on a public state for the duration of a test."""
    with app.set_contexts():
        registry = RegistrationContext.get().event_handlers
        full_name = f"{EntranceState.get_full_name()}.{name}"
        handler = EventHandler(fn=function, state=EntranceState)
        monkeypatch.setitem(
            registry, full_name, RegisteredEventHandler(handler=handler, states=(EntranceState,))
        )
