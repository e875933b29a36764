"""Bounds the states of tabs that left: enough for those that come back, not all that were ever opened."""

from collections.abc import Collection

import reflex as rx
from reflex.istate.manager.memory import StateManagerMemory

# A state takes some 15 KiB. A tab that comes back without one loads again.
MAX_KEPT = 1_000


def drop_oldest_states(app: rx.App, connected: Collection[str]) -> None:
    """Drop the states of tabs that left, beyond `MAX_KEPT`, the longest gone first.

    Reflex keeps a state for an hour, and a client can open as many as it names tokens. States in Redis expire
    without this.
    """
    manager = app.state_manager
    if not isinstance(manager, StateManagerMemory):
        return
    left = [kept for kept in manager._token_expires_at.values() if kept[1].ident not in connected]
    left.sort(key=lambda kept: kept[0], reverse=True)
    for _expires_at, token in left[MAX_KEPT:]:
        lock = manager._states_locks.get(token.lock_key)
        if lock is None or not lock.locked():
            manager._purge_token(token)
