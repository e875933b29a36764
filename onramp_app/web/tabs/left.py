"""What is kept of tabs that have left: enough for those that come back, not all that anybody ever opened."""

from collections.abc import Collection

import reflex as rx
from reflex.istate.manager.memory import StateManagerMemory

# A state is some 15 KiB. A tab that comes back without one reads everything anew.
MAX_KEPT = 1_000


def drop_oldest_states(app: rx.App, connected: Collection[str]) -> None:
    """Drop the states of tabs that left, the longest ago first, beyond what is kept in this process.

    Reflex keeps each for an hour, and whoever connects names the token of a new one. In Redis they expire
    by themselves.
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
