"""Ada, who attacks; Bo, who is attacked; and checks that none of Bo's data leaked or changed."""

import io
import json
import logging
import secrets
from dataclasses import dataclass, field
from typing import Any

import psycopg

from onramp_app.accounts import program_sessions, sessions
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import User
from onramp_app.db.engine import transaction
from tests import rows
from tests.links import shop
from tests.money import Wallet
from tests.people import PASSWORD, Person

CLIENT = Client(address="203.0.113.7", user_agent="Mozilla/5.0 (X11; Linux) Firefox/140.0")


@dataclass
class Scene:
    """Both people; `targets`: Bo's ids that an attacker may have obtained; `canaries`: Bo's private data."""

    wallet: Wallet
    ada: Person
    bo: Person
    targets: list[str] = field(default_factory=list)
    canaries: list[str] = field(default_factory=list)
    ada_cookie: str = ""
    ada_key: str = ""
    # Ada's add-money link: the path of its page, and the cookie of a browser that opened it.
    link_path: str = ""
    narrow_cookie: str = ""

    async def cookie_of(self, person: Person) -> str:
        """Sign somebody in with a new browser session; return its cookie."""
        async with transaction() as db:
            user = await db.get(User, person.id)
            assert user is not None
            opened = await sessions.open_browser(db, user, CLIENT)
        return f"session={opened.cookie_value}"

    async def renew(self) -> None:
        """Sign Ada in again, even if an attack has closed her account."""
        self.wallet.run(
            "UPDATE users SET closed_at = NULL, email = %s WHERE id = %s AND closed_at IS NOT NULL",
            self.ada.email,
            self.ada.id,
        )
        self.ada_cookie = f"{await self.cookie_of(self.ada)}; {self.narrow_cookie}"
        async with transaction() as db:
            user = await db.get(User, self.ada.id)
            assert user is not None
            opened = await program_sessions.open_program(db, user, CLIENT)
        self.ada = Person(self.ada.id, self.ada.email, opened.access_token, opened.refresh_token)

    def leaks(self, text: str) -> list[str]:
        return [canary for canary in self.canaries if canary in text]

    def rows_of_bo(self) -> dict[str, set[str]]:
        """Return, by table, a hash of each row that mentions Bo's ids and not Ada's."""
        with psycopg.connect(self.wallet.database_url, autocommit=True) as owner:
            tables = owner.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
                # Refused webhooks are stored verbatim, so they may contain any id.
                " AND table_type = 'BASE TABLE' AND table_name <> 'webhook_refusals'"
            ).fetchall()
            marks = [f"%{mark}%" for mark in (self.bo.id, *self.targets)]
            return {
                table: {
                    row[0]
                    for row in owner.execute(
                        f"SELECT md5(t::text) FROM {table} t"
                        " WHERE t::text LIKE ANY (%s) AND NOT t::text LIKE %s".encode(),
                        (marks, f"%{self.ada.id}%"),
                    )
                }
                for (table,) in tables
            }


async def prepare(wallet: Wallet, ada: Person, bo: Person) -> Scene:
    """Give Bo money, open top-ups and two sessions; give Ada a browser."""
    scene = Scene(wallet, ada, bo)
    settled, opened = await wallet.created(bo, fiat_amount="4321.37"), await wallet.created(bo)
    delivery = await wallet.deliver(bo, settled["id"], amount="77.123456789012345678")
    await scene.cookie_of(bo)
    ids = wallet.rows(
        "SELECT id FROM top_ups WHERE user_id = %s UNION SELECT id FROM auth_sessions WHERE user_id = %s"
        " UNION SELECT id FROM ledger_transfers",
        bo.id,
        bo.id,
    )
    listed = await wallet.get(bo, "/api/transactions", limit=1)
    scene.targets = [bo.id, *(str(row[0]) for row in ids), listed.json()["next_cursor"], delivery.order_id]
    url = opened["widget_url"]
    ((recognition_id,),) = wallet.rows(
        "SELECT recognition_id FROM widget_sessions WHERE top_up_id = %s", opened["id"]
    )
    hashes = wallet.rows("SELECT transaction_hash FROM provider_orders WHERE transaction_hash IS NOT NULL")
    scene.canaries = [
        bo.email,
        "Bo Canary",
        "77.12345678901",
        "4321.37",
        "4,321.37",
        recognition_id,
        url,
        *(row[0] for row in hashes),
        bo.access_token,
        bo.refresh_token,
        "$argon2id$",
    ]
    program_id, scene.ada_key = rows.program(wallet.owner, requests_per_minute=6_000)
    rows.program_user(wallet.owner, program_id, ada.id)
    other_id, _ = rows.program(wallet.owner)
    scene.targets.append(rows.program_user(wallet.owner, other_id, bo.id, external_id="bo-of-another"))
    link = await shop.Shop(wallet, ada.id, scene.ada_key).link()
    scene.link_path, scene.narrow_cookie = f"/link/{shop.token_of(link)}", await shop.opened(link)
    await scene.renew()
    return scene


class Logged(logging.Handler):
    """Everything that the application logs at its most verbose: as text, and the exceptions in it."""

    def __init__(self, output: io.StringIO) -> None:
        super().__init__(logging.ERROR)
        self._output = output
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.faults.append(
            f"{record.name}: {record.getMessage()[:300]} {record.exc_info and record.exc_info[1]!r}"
        )

    @property
    def text(self) -> str:
        return self._output.getvalue()

    @property
    def tracebacks(self) -> list[str]:
        return [line[-1_500:] for line in self.text.splitlines() if "Traceback" in line]

    def secrets_in(self, scene: Scene) -> list[str]:
        """Return what appears in the log and must not: Bo's data, and Ada's own credentials."""
        cookies = [cookie.partition("=")[2] for cookie in scene.ada_cookie.split("; ")]
        own = (*cookies, scene.link_path.rpartition("/")[2], scene.ada.access_token, scene.ada_key, PASSWORD)
        return [secret for secret in (*scene.canaries, *own, scene.ada.email) if secret in self.text]


def new_address() -> str:
    """Return an address in a fresh network, so that limits per network do not stop an attack early."""
    return f"2001:db8:{secrets.randbelow(65_536):x}:{secrets.randbelow(65_536):x}::1"


def dumped(value: Any) -> str:
    return json.dumps(value, default=str)
