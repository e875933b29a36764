"""Programs of the operator: a shop that debits a person, and one that sends a person a link to add money."""

import secrets
from typing import Any

import httpx
import psycopg

from tests import rows
from tests.e2e.site import Site

SHOP = "https://shop.example"


def new_link(site: Site, **fixed: str) -> dict[str, Any]:
    """Create a shop that opens an account for a new person and an add-money link for them.

    Returns the link as the API does, plus the shop's `key`.
    """
    with psycopg.connect(site.database_url, autocommit=True) as owner:
        _, key = rows.program(owner, name=f"Tea shop {secrets.token_hex(3)}")
    with httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {key}"}) as shop:
        person = shop.post("/api/users", json={"external_id": "c-1", "country": "IN"}).json()["id"]
        answer = shop.post("/api/add-money-links", json={"user_id": person} | fixed)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made | {"key": key}


def withdraw(site: Site, link: dict[str, Any]) -> None:
    """Withdraw a link as its program."""
    headers = {"Authorization": f"Bearer {link['key']}"}
    answer = httpx.delete(f"{site.url}/api/add-money-links/{link['id']}", headers=headers)
    assert answer.status_code == 204, answer.text


class Shop:
    """A program with an API key that knows one person."""

    def __init__(self, site: Site, key: str, user_id: str) -> None:
        self._url = f"{site.url}/api/debits"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._user_id = user_id

    @classmethod
    async def that_knows(cls, email: str, site: Site) -> "Shop":
        """Return a new program that knows the account with this email address."""
        with psycopg.connect(site.database_url, autocommit=True) as owner:
            row = owner.execute("SELECT id FROM users WHERE email = %s", (email,)).fetchone()
            assert row is not None
            program_id, key = rows.program(owner, name=f"Corner Café {secrets.token_hex(3)}")
            rows.program_user(owner, program_id, row[0])
        return cls(site, key, row[0])

    def take(self, **asked: object) -> str:
        """Debit the person, or place a hold. Returns the id of the debit."""
        body = {"user_id": self._user_id, "asset": "USDT", **asked}
        answer = httpx.post(self._url, json=body, headers=self._headers, timeout=20)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])
