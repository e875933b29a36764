"""Announces to every instance whose top-ups or balances changed: ids only, after the commit.

Many ids share a NOTIFY. Inside the money transaction it would take a lock that serialises all commits. A
lost notification costs little: pages also compare versions every few seconds.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from functools import lru_cache

from prometheus_client import Gauge
from sqlalchemy import text

from onramp_app.db.engine import execute, transaction
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.domain.shares import ask_for_all
from onramp_app.fleet import channels

GATHER_SECONDS = 0.01  # between two notifications; the first after a rest goes out at once
_IDS_AT_ONCE = 200  # A payload holds less than 8,000 bytes; an id has 32 and a comma.

_WAITING = Gauge("announcements_waiting", "People whose change this process has not announced yet.")
_NOTIFY = text("SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) AS payload")


class ChangedUsers:
    """Gathers ids and sends them, one transaction at a time. Belongs to one event loop; close it."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._sender: asyncio.Task[None] | None = None
        _WAITING.set_function(lambda: len(self._ids))

    def add(self, user_ids: Iterable[str]) -> None:
        """Queue these users for the next NOTIFY; never blocks and never fails."""
        self._ids.update(user_ids)
        if self._ids and (self._sender is None or self._sender.done()):
            self._sender = asyncio.create_task(self._send())

    async def close(self) -> None:
        """Wait up to 2 s until the queued ids are sent."""
        if self._sender is not None:
            await asyncio.wait([self._sender], timeout=2)

    async def _send(self) -> None:
        ask_for_all()
        while self._ids:
            ids, self._ids = sorted(self._ids), set()
            payloads = [",".join(ids[n : n + _IDS_AT_ONCE]) for n in range(0, len(ids), _IDS_AT_ONCE)]
            with contextlib.suppress(DatabaseUnavailable):
                async with transaction() as db:
                    await execute(db, _NOTIFY, {"channel": channels.USER_CHANGED, "payloads": payloads})
            await asyncio.sleep(GATHER_SECONDS)


@lru_cache(maxsize=1)
def _changed_users() -> ChangedUsers:
    return ChangedUsers()


def announce_changes(user_ids: Iterable[str]) -> None:
    """Announce that top-ups or balances of these users changed. Call it after the commit."""
    _changed_users().add(user_ids)


async def close() -> None:
    """Send what is queued, at shutdown or before another event loop."""
    if _changed_users.cache_info().currsize:
        await _changed_users().close()
        _changed_users.cache_clear()
