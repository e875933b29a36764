"""Announces to every instance whose top-ups or balances have changed: ids only, after the commit.

Many ids share one NOTIFY. Inside the money transaction, NOTIFY would take a lock that serializes all commits.
A lost notification costs little, because pages also compare versions every few seconds.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from prometheus_client import Gauge
from sqlalchemy import text

from onramp_app.db.engine import execute, transaction
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.domain.shares import ask_for_all
from onramp_app.fleet import channels
from onramp_app.telemetry.trace import Trace, trace_of

GATHER_SECONDS = 0.01  # between two notifications; the first one after a pause goes out at once
_IDS_AT_ONCE = 200  # a payload holds less than 8,000 bytes; an id has 32 and a comma
_CREDITS_AT_ONCE = 70  # a credit has 102 bytes and a comma

_MILLISECONDS = re.compile(r"[0-9]{1,14}")
_WAITING = Gauge("announcements_waiting", "People whose change this process has not announced yet.")
_NOTIFY = text(
    "SELECT pg_notify(channel, payload)"
    " FROM unnest(CAST(:channels AS text[]), CAST(:payloads AS text[])) AS sent (channel, payload)"
)


@dataclass(frozen=True, slots=True)
class Credit:
    """A person's money was credited: the span of the trace that did it, and when it was committed."""

    user_id: str
    trace: Trace
    at: datetime


def credit_text(credit: Credit) -> str:
    """Return a credit in the text form in which it is announced."""
    return f"{credit.user_id}/{credit.trace.text}/{int(credit.at.timestamp() * 1000)}"


def credit_of(text: str) -> Credit | None:
    """Return the credit from a text of `credit_text`; None for any other text."""
    parts = text.split("/")
    if len(parts) != 3 or (trace := trace_of(parts[1])) is None or not _MILLISECONDS.fullmatch(parts[2]):
        return None
    return Credit(parts[0], trace, datetime.fromtimestamp(int(parts[2]) / 1000, UTC))


class ChangedUsers:
    """Gathers ids and sends them, one transaction at a time. Belongs to one event loop; `close` it."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._credits: dict[str, Credit] = {}
        self._sender: asyncio.Task[None] | None = None
        _WAITING.set_function(lambda: len(self._ids))

    def add(self, user_ids: Iterable[str], credited: Iterable[Credit] = ()) -> None:
        """Queue these users for the next NOTIFY; never blocks and never fails."""
        self._ids.update(user_ids)
        self._credits.update((credit.user_id, credit) for credit in credited)
        if self._ids and (self._sender is None or self._sender.done()):
            self._sender = asyncio.create_task(self._send())

    async def close(self) -> None:
        """Wait up to 2 s for the queued ids to be sent."""
        if self._sender is not None:
            await asyncio.wait([self._sender], timeout=2)

    async def _send(self) -> None:
        ask_for_all()
        while self._ids:
            ids, self._ids = sorted(self._ids), set()
            credited, self._credits = [credit_text(one) for one in self._credits.values()], {}
            sent = [(channels.USER_CREDITED, one) for one in _joined(credited, _CREDITS_AT_ONCE)]
            sent += [(channels.USER_CHANGED, one) for one in _joined(ids, _IDS_AT_ONCE)]
            values = {"channels": [channel for channel, _ in sent], "payloads": [one for _, one in sent]}
            with contextlib.suppress(DatabaseUnavailable):
                async with transaction() as db:
                    await execute(db, _NOTIFY, values)
            await asyncio.sleep(GATHER_SECONDS)


def _joined(parts: Sequence[str], most: int) -> list[str]:
    return [",".join(parts[n : n + most]) for n in range(0, len(parts), most)]


@lru_cache(maxsize=1)
def _changed_users() -> ChangedUsers:
    return ChangedUsers()


def announce_changes(user_ids: Iterable[str], credited: Iterable[Credit] = ()) -> None:
    """Announce that top-ups or balances of these users have changed. Call it after the commit.

    Args:
        user_ids: the users whose data changed.
        credited: the credits among the changes, with which the time until pages show them is measured.
    """
    _changed_users().add(user_ids, credited)


async def close() -> None:
    """Send what is queued, at shutdown or before another event loop takes over."""
    if _changed_users.cache_info().currsize:
        await _changed_users().close()
        _changed_users.cache_clear()
