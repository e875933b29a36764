"""Announcements (LISTEN/NOTIFY) from anywhere in the fleet: sessions that ended, people whose money changed.

A notification is fast but may be lost, so pages also compare versions from time to time.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, literal_column
from sqlmodel import col, select

from onramp_app.accounts.sessions import is_alive, viewer_of
from onramp_app.accounts.tables import AuthSession, User
from onramp_app.accounts.views import Viewer
from onramp_app.db.direct import Use, connect
from onramp_app.db.engine import transaction
from onramp_app.db.outages import outages
from onramp_app.domain import clock
from onramp_app.fleet import channels
from onramp_app.fleet.changed_people import Credit, credit_of
from onramp_app.fleet.echo import ECHO_CHANNEL, echo_test
from onramp_app.links import sessions as links

# Silence may mean that nothing has happened or that the connection is lost, so the connection is tested.
TEST_EVERY_SECONDS = 5.0
ANSWER_SECONDS = 3.0
_CHANNELS = (channels.SESSION_ENDED, channels.USER_CREDITED, channels.USER_CHANGED, ECHO_CHANNEL)

# Reads only a few rows per person: the stored balances, and the newest top-up by its index.
_VERSION: ColumnElement[str] = literal_column("""concat_ws('/',
       users.kyc_status, users.kyc_tier,
       (SELECT sum(b.version) FROM user_balances b WHERE b.user_id = users.id),
       (SELECT concat_ws('/', t.updated_at, t.id, t.version) FROM top_ups t WHERE t.user_id = users.id
         ORDER BY t.updated_at DESC LIMIT 1))""")
# Built once: building a query takes longer than running it.
_LIVING = (
    select(AuthSession, User, _VERSION)
    .join(User, col(User.id) == col(AuthSession.user_id))
    .where(col(AuthSession.id).in_(bindparam("session_ids", expanding=True)))
)

_VERSIONS = select(User.id, _VERSION).where(col(User.id).in_(bindparam("user_ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class Listening:
    """The connection listens from now on; earlier announcements were missed."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session was ended. Sessions that expire are not announced."""

    session_id: str


@dataclass(frozen=True, slots=True)
class UsersChanged:
    """Top-ups, balances or the verification of these people changed."""

    user_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class LiveSession:
    """The person of a live session. `version` changes with their top-ups, balances and verification."""

    viewer: Viewer
    version: str


@dataclass(frozen=True, slots=True)
class UsersCredited:
    """Money was credited to these people; a `UsersChanged` for them follows."""

    credits: tuple[Credit, ...]


Announcement = Listening | SessionEnded | UsersChanged | UsersCredited


async def listen() -> AsyncIterator[Announcement]:
    """Yield announcements, `Listening` first. Holds its own connection.

    Raises:
        DatabaseUnavailable: the connection failed or was lost; announcements meanwhile were missed.
    """
    connection = await connect(Use.ANNOUNCEMENTS, answer_seconds=ANSWER_SECONDS)
    async with connection:
        with outages():
            for channel in _CHANNELS:
                await connection.execute(f"LISTEN {channel}")
        yield Listening()
        while True:
            with outages():
                async for notification in connection.notifies(timeout=TEST_EVERY_SECONDS):
                    match notification.channel:
                        case channels.USER_CHANGED:
                            yield UsersChanged(frozenset(notification.payload.split(",")))
                        case channels.USER_CREDITED:
                            found = (credit_of(part) for part in notification.payload.split(","))
                            yield UsersCredited(tuple(credit for credit in found if credit is not None))
                        case channels.SESSION_ENDED:
                            yield SessionEnded(notification.payload)
                        case _:
                            echo_test.note_echo(notification.payload)
                await connection.execute("SELECT 1")


async def live_sessions(session_ids: Collection[str]) -> dict[str, LiveSession]:
    """Return the person and version of each session that has not ended.

    This does not count as use of a session, so an open page does not keep its session alive.

    Raises:
        DatabaseUnavailable: the sessions could not be read.
    """
    async with transaction() as db:
        rows = (await db.exec(_LIVING, params={"session_ids": list(session_ids)})).all()
    now = clock.now()
    found = {
        session.id: LiveSession(viewer_of(user, session.id), version)
        for session, user, version in rows
        if is_alive(session, now)
    }
    # Most of the sessions not found have ended; the rest are narrow sessions.
    if others := set(session_ids) - {session.id for session, *_ in rows}:
        found |= await _narrow_sessions(others)
    return found


async def _narrow_sessions(session_ids: Collection[str]) -> dict[str, LiveSession]:
    payers = await links.living(session_ids)
    if not payers:
        return {}
    people = {payer.user_id for payer in payers.values()}
    async with transaction() as db:
        versions = dict((await db.exec(_VERSIONS, params={"user_ids": list(people)})).all())
    return {one: LiveSession(payer, versions[payer.user_id]) for one, payer in payers.items()}
