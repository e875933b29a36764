"""The one table of temporary database errors, after which a request may be retried.

All code that runs a statement does so inside `outages()`. An error that is not in the table is a bug or a
violated database constraint, and is raised unchanged.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from onramp_app.domain.errors import DatabaseUnavailable


@dataclass(frozen=True, slots=True)
class Outage:
    """Why the database is unavailable, and after how many seconds to retry."""

    detail: str
    retry_after_seconds: int


AWAY = Outage("The database does not answer. Try again shortly.", 5)
FULL = Outage("The database is at its limit. Try again shortly.", 5)
READ_ONLY = Outage("The database takes no changes at the moment. Try again shortly.", 5)
BUSY = Outage("Others are changing the same data. Try again shortly.", 2)

# A SQLSTATE, or a prefix of it (its class) where all errors with that prefix mean the same.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
OUTAGES: Mapping[str, Outage] = {
    "08": AWAY,  # connection exceptions, including a pooler's own errors
    "25006": READ_ONLY,  # a standby, or a server that was demoted
    "25P03": AWAY,  # idle_in_transaction_session_timeout: this process had stalled
    "25P04": BUSY,  # transaction_timeout
    "28": AWAY,  # the server refuses our login: a password is being changed
    "3D000": AWAY,  # no such database: it is being restored
    "40001": BUSY,  # serialization failure
    "40003": AWAY,  # it is unknown whether the statement completed
    "40P01": BUSY,  # deadlock
    "53": FULL,  # disk, memory, connections, a limit of the configuration
    "55006": BUSY,  # object in use
    "55P03": BUSY,  # lock_timeout
    "57014": BUSY,  # statement_timeout, or an administrator canceled the statement
    "57P": AWAY,  # shut down, crashed, starting, dropped, idle for too long
    "58": AWAY,  # the server's disk or operating system failed
    "72000": BUSY,  # snapshot too old
}


def outage_of(error: BaseException) -> Outage | None:
    """Return the outage that an error of the driver, SQLAlchemy or its pool means; None if it means none."""
    if isinstance(error, PoolTimeoutError):
        return FULL
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    if code := cause.sqlstate:
        return next((OUTAGES[code[:n]] for n in (5, 3, 2) if code[:n] in OUTAGES), None)
    # Without a SQLSTATE the server sent no error: the connection was lost, or could not be made.
    return AWAY if isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError)) else None


def unavailable(outage: Outage) -> DatabaseUnavailable:
    """Return the error to raise for an outage."""
    return DatabaseUnavailable(outage.detail, retry_after_seconds=outage.retry_after_seconds)


@contextmanager
def outages() -> Iterator[None]:
    """Turn errors that the table lists into `DatabaseUnavailable`; let all others through."""
    try:
        yield
    except (SQLAlchemyError, psycopg.Error) as error:
        outage = outage_of(error)
        if outage is None:
            raise
        raise unavailable(outage) from error
