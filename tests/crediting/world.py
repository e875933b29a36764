"""The environment of the crediting tests: the application over HTTP, the simulator, people and top-ups.

Top-ups are inserted as rows: these tests start after a widget URL was issued.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server
from psycopg.rows import dict_row

from onramp_app.db.engine import transaction
from onramp_app.ledger.verification import verify_ledger
from onramp_app.running.worker import background_work
from tests import rows
from tests.databases import owner_of
from tests.ports import free_port
from tests.served import whole_api
from tests.simulator.process import Process

MATIC_ADDRESS = "0x" + "51" * 18 + "0001"
SET_WEBHOOK = "/onramp/api/v1/merchant/setWebhookUrl"


@dataclass
class World:
    database: str
    simulator: Process
    is_sound: bool = True

    def __post_init__(self) -> None:
        self.owner = owner_of(self.database)
        for code, scale in (("USDT", 18), ("USDC", 6), ("ETH", 18)):
            self.run("INSERT INTO assets VALUES (%s, %s, now()) ON CONFLICT DO NOTHING", code, scale)

    def run(self, statement: str, *values: Any) -> None:
        self.owner.execute(statement.encode(), values)

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        return self.owner.cursor(row_factory=dict_row).execute(statement.encode(), values).fetchall()

    def one(self, statement: str, *values: Any) -> Any:
        """Return the single value of a single row."""
        (row,) = self.rows(statement, *values)
        (value,) = row.values()
        return value

    def user(self, **columns: Any) -> str:
        return rows.user(self.owner, **columns)

    def top_up(self, user_id: str, **columns: Any) -> str:
        """Write a top-up and its widget session, through which an order can be opened. Returns its id."""
        asset, recognition_id = columns.get("asset", "USDT"), secrets.token_hex(16)
        link = self.simulator.link(
            walletAddress=MATIC_ADDRESS, coinCode=asset.lower(), merchantRecognitionId=recognition_id
        )
        top_up_id = rows.top_up(self.owner, user_id, **columns)
        widget = {"recognition_id": recognition_id, "asset": asset, "address": MATIC_ADDRESS, "url": link}
        rows.widget_session(self.owner, top_up_id, **widget)
        return top_up_id

    def link(self, top_up_id: str) -> str:
        return str(self.one("SELECT url FROM widget_sessions WHERE top_up_id = %s", top_up_id))

    def open_order(self, top_up_id: str, **overrides: Any) -> int:
        body = {"widget_url": self.link(top_up_id), "overrides": overrides}
        return int(self.simulator.control("orders", body)["orderId"])

    def state(self, top_up_id: str) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM top_ups WHERE id = %s", top_up_id)
        return row

    def balance(self, user_id: str, asset: str = "USDT") -> tuple[int, int]:
        """Return the available and held balance, in minor units."""
        found = self.rows(
            "SELECT available_minor, held_minor FROM user_balances WHERE user_id = %s AND asset = %s",
            user_id,
            asset,
        )
        return (int(found[0]["available_minor"]), int(found[0]["held_minor"])) if found else (0, 0)

    def open_cases(self) -> list[str]:
        return [row["kind"] for row in self.rows("SELECT kind FROM exceptions WHERE closed_at IS NULL")]

    async def until(self, look: Callable[[], Any], *, seconds: float = 15) -> Any:
        for _ in range(int(seconds * 20)):
            found = look()
            if found:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"it did not happen in time: {self.describe()}")

    async def ends(self, top_up_id: str, status: str, *, seconds: float = 15) -> dict[str, Any]:
        await self.until(lambda: self.state(top_up_id)["status"] == status, seconds=seconds)
        return self.state(top_up_id)

    async def is_read_once(self) -> None:
        """Wait until a reader that has just started has read the lists in which our orders appear.

        Deliveries after that are read because of their webhooks, not by the initial read of everything.
        """
        await self.until(
            lambda: (
                self.rows("SELECT FROM provider_reads")
                and self.rows("SELECT FROM history_walks WHERE flow = 'buy' AND fiat_type = 1")
            )
        )

    def describe(self) -> str:
        return str(
            [
                self.rows("SELECT status, reason, rank FROM top_ups"),
                self.rows(
                    "SELECT order_id, status_number, version, applied_version, due_at, apply_error"
                    " FROM provider_orders"
                ),
                self.rows("SELECT kind, detail FROM exceptions WHERE closed_at IS NULL"),
            ]
        )

    @asynccontextmanager
    async def running(self, *, in_background: bool = True) -> AsyncIterator[str]:
        """Serve the application over HTTP, registered with the simulator; yields its URL."""
        port = free_port()
        server = Server(
            whole_api(),
            address="127.0.0.1",
            port=port,
            interface=Interfaces.ASGI,
            websockets=False,
            log_enabled=False,
        )
        serving = asyncio.create_task(server.serve())
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(
            self.simulator.data, SET_WEBHOOK, {"webhookUrl": f"{url}/api/webhooks/onramp"}
        )
        try:
            if in_background:
                async with background_work():
                    yield url
            else:
                yield url
        finally:
            server.stop()
            await serving

    async def findings(self) -> set[str]:
        """Return the names of the ledger rules that are broken."""
        async with transaction() as db:
            return {finding.rule for finding in await verify_ledger(db)}
