"""People with accounts, as tests know them."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg

from onramp_app.domain import clock

PASSWORD = "violet-harbour-41"


@dataclass(frozen=True)
class Person:
    """Somebody with an account, as their program knows them."""

    id: str
    email: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


def sign_in(owner: psycopg.Connection[Any], user_id: str) -> None:
    """Let somebody have signed in just now."""
    now = clock.now()
    owner.execute(
        "INSERT INTO auth_sessions (id, user_id, kind, device, address, created_at, last_seen_at, expires_at)"
        " VALUES (%s, %s, 'browser', '', '', %s, %s, %s)",
        (secrets.token_hex(16), user_id, now, now, now + timedelta(hours=12)),
    )
