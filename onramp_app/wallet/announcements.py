"""What happened anywhere in the fleet: sessions that ended, people whose money changed.

A notification is quick and may be lost: whoever shows something compares now and then as well.
"""

import secrets
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, literal_column, text
from sqlmodel import col, select

from onramp_app.accounts.sessions import ENDED_CHANNEL, is_alive, viewer_of
from onramp_app.accounts.tables import AuthSession, User
from onramp_app.accounts.views import Viewer
from onramp_app.db.direct import Use, connect
from onramp_app.db.engine import execute, transaction
from onramp_app.db.outages import outages
from onramp_app.domain import clock
from onramp_app.fleet import channels

ECHO_CHANNEL = "announcements_echo"
ECHO_WAIT_SECONDS = 2.0
# Silence may mean that nothing happens, or that the connection is lost.
TEST_EVERY_SECONDS = 5.0
ANSWER_SECONDS = 3.0

# Few rows a person: kept balances, and the newest change by its index.
_VERSION: ColumnElement[str] = literal_column("""concat_ws('/',
       (SELECT sum(b.version) FROM user_balances b WHERE b.user_id = users.id),
       (SELECT concat_ws('/', t.updated_at, t.id, t.version) FROM top_ups t WHERE t.user_id = users.id
         ORDER BY t.updated_at DESC LIMIT 1))""")
# Built once: building a query takes longer than running it.
_LIVING = (
    select(AuthSession, User, _VERSION)
    .join(User, col(User.id) == col(AuthSession.user_id))
    .where(col(AuthSession.id).in_(bindparam("session_ids", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class Listening:
    """It listens from here on: what was announced before was missed."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session was ended. Those that end by age are not announced."""

    session_id: str


@dataclass(frozen=True, slots=True)
class UsersChanged:
    """Top-ups or balances of these people changed."""

    user_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Living:
    """Whom a session stands for. After any change of their top-ups or balances `version` is another text."""

    viewer: Viewer
    version: str


Announcement = Listening | SessionEnded | UsersChanged


class Hearing:
    """Whether notifications arrive here: behind a pooler that shares connections, LISTEN fails silently.

    One for each process; `is_well` is None until it was tested once.
    """

    def __init__(self) -> None:
        self.is_well: bool | None = None
        self._word = secrets.token_hex(8)
        self._echo = channels.Bell()

    def heard(self, word: str) -> None:
        """Take note of an echo; those of other processes are none of ours."""
        if word == self._word:
            self._echo.ring()

    async def test(self) -> bool:
        """Call through the pool and wait two seconds for the echo.

        Raises:
            DatabaseUnavailable: it could not even call.
        """
        await self._echo.wait(0)
        async with transaction() as db:
            call = text("SELECT pg_notify(:channel, :word)")
            await execute(db, call, {"channel": ECHO_CHANNEL, "word": self._word})
        self.is_well = await self._echo.wait(ECHO_WAIT_SECONDS)
        return self.is_well


hearing = Hearing()


async def listen() -> AsyncIterator[Announcement]:
    """Yield what is announced, on a connection of its own; `Listening` comes first.

    Raises:
        DatabaseUnavailable: the connection failed or was lost; what was announced meanwhile was missed.
    """
    connection = await connect(Use.ANNOUNCEMENTS, answer_seconds=ANSWER_SECONDS)
    async with connection:
        with outages():
            for channel in (ENDED_CHANNEL, channels.USER_CHANGED, ECHO_CHANNEL):
                await connection.execute(f"LISTEN {channel}")
        yield Listening()
        while True:
            with outages():
                async for notification in connection.notifies(timeout=TEST_EVERY_SECONDS):
                    match notification.channel:
                        case channels.USER_CHANGED:
                            yield UsersChanged(frozenset(notification.payload.split(",")))
                        case channel if channel == ENDED_CHANNEL:
                            yield SessionEnded(notification.payload)
                        case _:
                            hearing.heard(notification.payload)
                await connection.execute("SELECT 1")


async def living(session_ids: Collection[str]) -> dict[str, Living]:
    """Return whom each of the sessions stands for, without those that have ended, in one query.

    Is no event of theirs: looking on does not keep a session alive.

    Raises:
        DatabaseUnavailable: it could not be read.
    """
    async with transaction() as db:
        rows = (await db.exec(_LIVING, params={"session_ids": list(session_ids)})).all()
    now = clock.now()
    return {
        session.id: Living(viewer_of(user, session.id), version)
        for session, user, version in rows
        if is_alive(session, now)
    }
