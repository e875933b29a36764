"""Somebody connects with the client token of Bo's tab: they get nothing of Bo's, whatever they do."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from starlette.types import ASGIApp

from onramp_app.accounts import sessions
from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.onramp_app import app
from onramp_app.wallet.latest import Latest
from onramp_app.web.profile.state import ProfileState
from onramp_app.web.tabs import socket
from onramp_app.web.tabs.admission import SessionMiddleware
from onramp_app.web.tabs.live import LiveState
from onramp_app.web.tabs.push import Tabs
from onramp_app.web.tabs.session import SessionState
from tests.attack.scene import Scene, new_address
from tests.attack.wire import Wire

HYDRATE = "reflex___state____state.hydrate"
AGAIN = "reflex___state____state.hydrate_and_load"
ON_LOAD = "reflex___state____state.reflex___state____on_load_internal_state.on_load_internal"
LOAD = f"{ProfileState.get_full_name()}.load"
ENDED = f"{ProfileState.get_full_name()}.end_session"


async def _push(scene: Scene) -> None:
    """Push as after a change of Bo's money."""
    async with asyncio.TaskGroup() as tasks:
        Tabs(app, tasks)._queue({scene.bo.id})


async def _say_nothing(scene: Scene, thief: Wire) -> None:
    await _push(scene)


async def _hydrate(scene: Scene, thief: Wire) -> None:
    thief.event(HYDRATE)


async def _connect_again(scene: Scene, thief: Wire) -> None:
    thief.event(AGAIN, {"hashes": ["x"]})


async def _load(scene: Scene, thief: Wire) -> None:
    thief.event(LOAD)
    thief.event(ON_LOAD)


async def _call(scene: Scene, thief: Wire) -> None:
    thief.event(ENDED, {"session_id": random.choice(scene.targets)})


async def _pretend(scene: Scene, thief: Wire) -> None:
    handshake = {
        "QUERY_STRING": f"token={thief.token}",
        "asgi.scope": {"client": ["192.0.2.1", 1], "headers": []},
    }
    thief.emit("connect", handshake)
    thief.event(HYDRATE)


WAYS: tuple[Callable[[Scene, Wire], Awaitable[None]], ...] = (
    _say_nothing, _hydrate, _connect_again, _load, _call, _pretend,
)  # fmt: skip


async def take_over(asgi: ASGIApp, scene: Scene, *, rounds: int) -> list[str]:
    """Let Bo open a tab, then Ada or an anonymous client reuse its token. Returns what leaked of Bo's."""
    bo_cookie = await scene.cookie_of(scene.bo)
    seen = []
    for number in range(rounds):
        tab = await Wire(asgi, cookie=bo_cookie, address=new_address()).connect()
        await tab.hydrate()
        tab.event(LOAD)
        await tab.settle()
        assert scene.leaks(tab.heard), "there is something to steal"
        if number % 10:  # Now and then the tab is still open.
            await tab.close()
        # Each way is tried by Ada and anonymously within twelve rounds.
        cookie = scene.ada_cookie if (number + number // len(WAYS)) % 2 else ""
        thief = await Wire(asgi, cookie=cookie, token=tab.token, address=new_address()).connect()
        await WAYS[number % len(WAYS)](scene, thief)
        await thief.settle()
        await _push(scene)
        await thief.settle()
        seen += [f"round {number}: {leak}" for leak in scene.leaks(thief.heard)]
        seen += [f"round {number}: a push" for _ in range(thief.heard.count("PUSHED-TO-BO"))]
        await thief.close()
        await tab.close()
    return seen


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    """Make a push carry a recognizable value, whatever pages there are."""

    async def catch_up(self: LiveState, latest: Latest) -> None:
        self.as_of = "PUSHED-TO-BO"

    parts = SimpleNamespace(__subclasses__=lambda: [LiveState])
    monkeypatch.setattr(LiveState, "_catch_up", catch_up)
    monkeypatch.setattr(LiveState, "_has_loaded", lambda _state: True)
    monkeypatch.setattr(LiveState, "_place", "/", raising=False)
    monkeypatch.setattr("onramp_app.web.tabs.live.LiveState", parts)


async def test_twelve_stolen_tokens_are_worth_nothing(asgi, scene, no_event_limit, pushed):
    assert await take_over(asgi, scene, rounds=12) == []


@pytest.mark.full
async def test_a_thousand_stolen_tokens_are_worth_nothing(asgi, scene, no_event_limit, pushed):
    assert await take_over(asgi, scene, rounds=1_000) == []


async def take_over_while_away(
    asgi: ASGIApp, scene: Scene, monkeypatch: pytest.MonkeyPatch, *, rounds: int
) -> list[str]:
    """Do the same while the database is down and no cookie can be resolved, and again once it is back."""
    bo_cookie = await scene.cookie_of(scene.bo)
    tabs = [await Wire(asgi, cookie=bo_cookie, address=new_address()).connect() for _ in range(rounds)]
    for tab in tabs:
        await tab.hydrate()
        tab.event(LOAD)
        await tab.settle()
        assert scene.leaks(tab.heard), "there is something to steal"
        await tab.close()
    async with _database_away(monkeypatch):
        thieves = [
            await Wire(
                asgi, cookie=scene.ada_cookie if number % 2 else "", token=tab.token, address=new_address()
            ).connect()
            for number, tab in enumerate(tabs)
        ]
        for number, thief in enumerate(thieves):
            await WAYS[1 + number % (len(WAYS) - 1)](scene, thief)
            thief.event(LOAD)
            await thief.settle()
    for thief in thieves:
        thief.event(LOAD)
        await _push(scene)
        await thief.settle()
        await thief.close()
    return [leak for thief in thieves for leak in (*scene.leaks(thief.heard), *_pushes(thief))]


def _pushes(thief: Wire) -> list[str]:
    return ["a push"] * thief.heard.count("PUSHED-TO-BO")


@asynccontextmanager
async def _database_away(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    with monkeypatch.context() as environment:
        environment.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/away")
        await _connect_anew()
        yield
    await _connect_anew()


async def _connect_anew() -> None:
    await engine.dispose()
    get_settings.cache_clear()


async def test_a_stolen_token_is_worth_nothing_while_the_database_is_away(
    asgi, scene, no_event_limit, pushed, monkeypatch
):
    assert await take_over_while_away(asgi, scene, monkeypatch, rounds=10) == []


async def test_if_pages_opened_as_they_were_while_it_is_away_a_token_would_show_everything(
    asgi, scene, no_event_limit, pushed, monkeypatch
):
    """The control for the test above."""
    monkeypatch.setattr(SessionState, "_forget_person", lambda _page: None)
    assert await take_over_while_away(asgi, scene, monkeypatch, rounds=5)


async def test_without_the_binding_of_sessions_a_stolen_token_shows_everything(
    asgi, scene, no_event_limit, pushed, monkeypatch
):
    """The control for the middleware: a version that checks only Bo's own events."""
    bind = SessionMiddleware.preprocess

    async def bind_bo_only(self, app, state, event):
        page = await state.get_state(SessionState)
        viewer = await sessions.resolve_cookie_header(page.router.headers.cookie)
        return await bind(self, app, state, event) if viewer and viewer.user_id == scene.bo.id else None

    monkeypatch.setattr(SessionMiddleware, "preprocess", bind_bo_only)
    assert await take_over(asgi, scene, rounds=6)


async def test_without_the_binding_of_sockets_a_silent_thief_gets_the_next_push(
    asgi, scene, no_event_limit, pushed, monkeypatch
):
    """The control for where updates are sent."""
    monkeypatch.setattr(socket.PageSocket, "emit_update", socket.EventNamespace.emit_update)
    seen = await take_over(asgi, scene, rounds=8)
    assert any("a push" in what for what in seen)
