"""Says in one sentence why a database or Redis cannot be reached: which setting, which server, and why."""

import re
from urllib.parse import urlsplit

import psycopg
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from onramp_app.config import Settings
from onramp_app.local.processes import StartFailed

MIN_POSTGRES = 15
_CONNECT_SECONDS = 5
_NAMES = ("DATABASE_URL", "DATABASE_DIRECT_URL", "DATABASE_OWNER_URL")

# The message of the server or libpq, and the reason to show; `{server}`, `{user}`, `{database}` and `{host}`
# come from the address. Messages are matched because libpq gives no SQLSTATE for a failed connection.
_REASONS = (
    (
        r"too many clients|connection slots|too many connections|max_client_conn|no more connections",
        "{server} has no connection left for the user {user}; end what holds them, or raise the limit.",
    ),
    (
        r"password authentication failed|no password supplied|SASL authentication failed",
        "{server} refuses this user name and password.",
    ),
    (
        r"no pg_hba\.conf entry",
        "{server} does not let the user {user} in from this machine (pg_hba.conf), or not without TLS.",
    ),
    (r"role .* does not exist", "{server} has no user {user}."),
    (
        r"role .* is not permitted to log in",
        "{server} does not let the user {user} log in (ALTER ROLE … LOGIN).",
    ),
    (r"database .* does not exist", "{server} has no database {database}."),
    (
        r"permission denied for database|CONNECT privilege",
        "{server} does not let the user {user} into the database {database} (GRANT CONNECT).",
    ),
    (r"not currently accepting connections", "{server} lets nobody into the database {database}."),
    (r"could not translate host name|resolve host|Name or service", "the host {host} is not known."),
    (
        r"starting up|shutting down|in recovery mode|not yet accepting",
        "{server} is starting or ending; try again shortly.",
    ),
    (
        r"invalid URI query parameter",
        "the address has a parameter after its ? that PostgreSQL does not know.",
    ),
    (r"server does not support SSL", "{server} speaks no TLS, and the address asks for it."),
    (r"certificate", "{server} does not prove who it is, as the address asks it to (sslmode, sslrootcert)."),
    (
        r"refused|timeout|timed out|unreachable|closed the connection|No route|reset by peer",
        "{server} does not answer.",
    ),
)
# The server's message, in its own language, follows the severity and two spaces. It holds no password.
_SERVERS_WORDS = re.compile(r"\w+:  (.+)")
# What precedes it is the address, whose names could be mistaken for a reason.
_AFTER_ADDRESS = re.compile(r"failed: (.*)")


def check_database(settings: Settings) -> None:
    """Connect once to each of the configured database addresses.

    Raises:
        StartFailed: one cannot be connected to, or is too old; the sentence names the variable and the
            reason, never the password.
    """
    for name in _NAMES:
        secret = getattr(settings, name.lower())
        if secret is None:
            continue
        try:
            with psycopg.connect(secret.get_secret_value(), connect_timeout=_CONNECT_SECONDS) as connection:
                version = connection.info.server_version // 10_000
        except psycopg.Error as error:
            raise StartFailed(why_no_database(name, secret.get_secret_value(), str(error))) from None
        if version < MIN_POSTGRES:
            raise StartFailed(
                f"{name} names a PostgreSQL {version}; version {MIN_POSTGRES} or later is needed."
            )


def why_unreachable(settings: Settings) -> str | None:
    """Return why one of the configured databases cannot be connected to now, or None where all can.

    Connects to each again, because the original error does not say which of the addresses failed.
    """
    try:
        check_database(settings)
    except StartFailed as error:
        return str(error)
    return None


def why_no_database(name: str, url: str, message: str) -> str:
    """Return why the database at this address cannot be connected to, as a sentence without its password.

    Args:
        name: the variable that holds the address.
        url: the address.
        message: the error message of libpq.
    """
    parts = urlsplit(url)
    words = {
        "server": f"the server at {parts.hostname or 'the default address'}:{parts.port or 5432}",
        "user": parts.username or "of this process",
        "database": parts.path.strip("/"),
        "host": parts.hostname,
    }
    told = "\n".join(_AFTER_ADDRESS.findall(message)) or message
    for pattern, reason in _REASONS:
        if re.search(pattern, told):
            return f"{name}: {reason.format(**words)}"
    if said := _SERVERS_WORDS.match(told):
        return f"{name}: {words['server']} refuses the connection: {said[1].strip().rstrip('.')}."
    # libpq's own text may repeat the address and its password, so it is not passed on.
    return f"{name}: no connection to {words['server']} could be made with this address."


def why_no_redis(url: str, error: Exception) -> str:
    """Return why Redis at this address cannot be used, as a sentence without its password.

    Args:
        url: the address, the value of `REDIS_URL`.
        error: what the driver raised.
    """
    parts = urlsplit(url)
    server = f"REDIS_URL: the server at {parts.hostname}:{parts.port or 6379}"
    told = str(error)
    reasons = (
        (
            isinstance(error, (AuthenticationError, AuthorizationError)) or "NOAUTH" in told,
            f"{server} refuses this user name and password.",
        ),
        (
            "max number of clients" in told,
            f"{server} has no connection left; end what holds them, or raise its limit (maxclients).",
        ),
        (isinstance(error, BusyLoadingError), f"{server} is starting; try again shortly."),
        ("DB index" in told, f"{server} has no database {parts.path.strip('/')}."),
        ("Name or service" in told, f"REDIS_URL: the host {parts.hostname} is not known."),
        (
            isinstance(error, (RedisConnectionError, RedisTimeoutError, OSError)),
            f"{server} does not answer.",
        ),
    )
    unknown = f"{server} cannot be used ({type(error).__name__})."
    return next((sentence for is_so, sentence in reasons if is_so), unknown)
