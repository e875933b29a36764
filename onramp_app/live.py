"""Carries what happened elsewhere to the tabs of this instance: so far, that their session has ended.

A notification does it at once; a query every 10 seconds finds what a lost notification left, and
sessions that ended by age. A tab that leaves is dropped here, because Reflex tells nobody.
"""

import asyncio
from collections.abc import Collection

import reflex as rx
import structlog
from reflex.event import Event
from reflex.state import StateUpdate

from onramp_app.services import endings
from onramp_app.states import connections
from onramp_app.states.session import SessionState, to_login

LOOK_EVERY_SECONDS = 10
_RETRY_SECONDS = 1

_log = structlog.get_logger(__name__)


async def end_tabs_with_sessions(app: rx.App) -> None:
    """Lead every tab to `/login` once its session has ended, as long as this instance runs."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_listen(app))
        tasks.create_task(_look_now_and_then(app))


async def _listen(app: rx.App) -> None:
    while True:
        try:
            async for session_id in endings.listen_for_ended():
                # None: it listens from here on, so what was missed until here is looked for once.
                await (_look(app) if session_id is None else _end_tabs(app, {session_id}))
        except Exception:  # noqa: BLE001  # whatever it was, the tabs still have to be told
            _log.warning("listening for ended sessions was interrupted", exc_info=True)
        await asyncio.sleep(_RETRY_SECONDS)


async def _look_now_and_then(app: rx.App) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        try:
            await _look(app)
        except Exception:  # noqa: BLE001  # the next look may work
            _log.warning("sessions could not be checked", exc_info=True)


async def _look(app: rx.App) -> None:
    connections.keep_only(_connected_tokens(app))
    if shown := connections.known_sessions():
        await _end_tabs(app, await endings.ended_among(shown))


def _connected_tokens(app: rx.App) -> Collection[str]:
    return app.event_namespace.token_to_sid if app.event_namespace else ()


async def _end_tabs(app: rx.App, session_ids: Collection[str]) -> None:
    for token in connections.tokens_of(session_ids):
        connections.forget(token)
        if token not in _connected_tokens(app):
            continue
        try:
            await _end_tab(app, token)
        except Exception:  # noqa: BLE001  # one tab that fails must not keep the others open
            _log.exception("a tab could not be ended")


async def _end_tab(app: rx.App, token: str) -> None:
    async with app.modify_state(rx.BaseStateToken(ident=token, cls=SessionState)) as state:
        page = await state.get_state(SessionState)
        page._forget_person()
        leave = Event.from_event_type(to_login(page))
    if app.event_namespace is not None:
        await app.event_namespace.emit_update(update=StateUpdate(events=leave), token=token)
