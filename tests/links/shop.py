"""A program that creates add-money links over HTTP for a person whom it knows."""

from dataclasses import dataclass
from typing import Any

import httpx

from onramp_app.links import sessions
from onramp_app.links.sessions import Payer
from onramp_app.links.tokens import read_token
from tests.money import Wallet

SHOP = "https://shop.example.com"


@dataclass
class Shop:
    """A program's API key, and the id of the person whom it sends to add money."""

    wallet: Wallet
    person: str
    key: str

    async def ask(self, method: str, path: str = "", **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        address = f"/api/add-money-links{path}"
        return await self.wallet.client.request(method, address, headers=headers, json=body or None)

    async def link(self, **wanted: Any) -> dict[str, Any]:
        """Create a link, which must succeed."""
        answer = await self.ask("POST", **({"user_id": self.person} | wanted))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def now(self, link: dict[str, Any]) -> dict[str, Any]:
        """Return the current state of a link."""
        answer = await self.ask("GET", f"/{link['id']}")
        assert answer.status_code == 200, answer.text
        read: dict[str, Any] = answer.json()
        return read

    def age(self, link: dict[str, Any]) -> None:
        """Backdate a link, so that it has expired."""
        self.wallet.run(
            "UPDATE add_money_links SET created_at = created_at - interval '40 days',"
            " expires_at = now() - interval '1 second' WHERE id = %s",
            link["id"],
        )


def token_of(link: dict[str, Any]) -> str:
    return str(link["url"]).rpartition("/")[2]


async def opened(link: dict[str, Any]) -> str:
    """Open a link as a browser does; return the `Cookie` header that it sends from then on."""
    session = await sessions.open_session(token_of(link), "")
    assert session is not None
    return f"link={session.cookie_value}"


async def payer_of(link: dict[str, Any], cookie: str = "") -> Payer:
    """Return the payer that a browser which opened a link acts for."""
    payer = await sessions.resolve(cookie or await opened(link), read_token(token_of(link)) or "")
    assert payer is not None
    return payer
