"""Helpers that create people with accounts, sessions and operator codes."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import psycopg

from onramp_app.accounts import accounts, passwords
from onramp_app.accounts.accounts import Opened, OpenSession
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import User
from onramp_app.accounts.words import LANGUAGES, Role, currency_of_country
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.ids import new_id
from onramp_app.factors.keys import secret_keys
from onramp_app.operators import codes

PASSWORD = "violet-harbour-41"


@dataclass(frozen=True)
class Person:
    """Somebody with an account, and the tokens that their program holds."""

    id: str
    email: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


@cache
def kept_password() -> str:
    return passwords._hash(PASSWORD)


async def sign_up(
    open_session: OpenSession[Opened],
    client: Client,
    *,
    display_name: str = "Ada King",
    country: str | None = "IN",
) -> Opened:
    """Open an account and its first session as registration does, without the 50 ms of hashing a password."""
    user = User(
        id=new_id(),
        email=f"p{secrets.token_hex(5)}@example.com",
        password_hash=kept_password(),
        display_name=display_name,
        country=country,
        display_currency=currency_of_country(country),
        language=LANGUAGES[0],
        role=Role.USER.value,
        created_at=clock.now(),
        updated_at=clock.now(),
    )
    async with transaction() as db:
        await accounts._insert(db, user)
        return await open_session(db, user, client)


async def open_another(user_id: str, open_session: OpenSession[Opened], client: Client) -> Opened:
    """Open another session for a user, without the cost of verifying a password."""
    async with transaction() as db:
        return await open_session(db, await db.get_one(User, user_id), client)


def sign_in(owner: psycopg.Connection[Any], user_id: str) -> str:
    """Write a browser session that a user has just opened. Returns its id."""
    now, session_id = clock.now(), secrets.token_hex(16)
    owner.execute(
        "INSERT INTO auth_sessions (id, user_id, kind, device, address, created_at, last_seen_at, expires_at)"
        " VALUES (%s, %s, 'browser', '', '', %s, %s, %s)",
        (session_id, user_id, now, now, now + timedelta(hours=12)),
    )
    return session_id


def operator_code(owner: psycopg.Connection[Any], user_id: str, *, session_id: str | None = None) -> str:
    """Write and return a fresh operator code, in a new session unless one is given."""
    session_id, now = session_id or sign_in(owner, user_id), clock.now()
    digits = "".join(secrets.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(10))
    kept = codes._hash(secret_keys()[0], user_id, session_id, digits)
    owner.execute(
        "INSERT INTO operator_codes (session_id, user_id, id, code_hash, made_at, expires_at, guesses_left)"
        " VALUES (%s, %s, %s, %s, %s, %s, 5)",
        (session_id, user_id, new_id(), kept, now, now + codes.LIFE),
    )
    return f"{digits[:5]}-{digits[5:]}"


@contextmanager
def login_as(owner: psycopg.Connection[Any], role: str, url: str) -> Iterator[str]:
    """Temporarily let a database role log in with the owner's password. Yields its URL."""
    parts = urlsplit(url)
    owner.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{parts.password}'".encode())
    try:
        yield parts._replace(netloc=f"{role}:{parts.password}@{parts.hostname}:{parts.port}").geturl()
    finally:
        owner.execute(f"ALTER ROLE {role} NOLOGIN".encode())
