"""The books for ledger tests: users, assets, orders, top-ups, and a way to tamper with them."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import psycopg

from onramp_app.db.engine import transaction
from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.money import from_minor
from onramp_app.ledger.instructions import Delivery, UserAmount
from onramp_app.ledger.posting import PostedTransfer
from onramp_app.ledger.transfers import Cause, Instruction
from onramp_app.ledger.verification import Finding, verify_ledger
from tests import rows
from tests.databases import owner_of
from tests.recorded_posting import post_on_record

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BY_POLL = Cause(StepSource.POLL)
BY_OPERATOR = Cause(StepSource.OPERATOR, actor="operator-1", reason="checked by phone")
SCALES = {"USDT": 18, "USDC": 6, "BTC": 8}
TREASURY = {"USDT": ("matic20", "0xaaaa"), "USDC": ("matic20", "0xaaaa"), "BTC": ("btc", "bc1qxyz")}


@dataclass
class Books:
    """Writes, as the owner, the rows that services write as the application; posting uses the real code."""

    url: str
    owner: psycopg.Connection = field(init=False)
    orders: int = 0

    def __post_init__(self) -> None:
        self.owner = owner_of(self.url)
        for code, scale in SCALES.items():
            self.owner.execute("INSERT INTO assets VALUES (%s, %s, %s)", (code, scale, NOW))

    def user(self, **columns: object) -> str:
        return rows.user(self.owner, created_at=NOW, updated_at=NOW, **columns)

    def top_up(self, user_id: str, *, asset: str = "USDT") -> str:
        paid = {"status": "processing", "charged": "yes", "rank": 30, "created_at": NOW, "updated_at": NOW}
        return rows.top_up(self.owner, user_id, asset=asset, **paid)

    def delivery(self, amount_minor: int, *, asset: str = "USDT", top_up_id: str | None = None) -> Delivery:
        """Write a delivered, applied order to one of our addresses, whose amounts add up to this delivery."""
        self.orders += 1
        row_id, order_id = secrets.token_hex(16), str(self.orders)
        network, address = TREASURY[asset]
        self.owner.execute(
            "INSERT INTO provider_orders (id, environment, provider, flow, order_id, top_up_id, raw,"
            " status_number, status_class, bought_amount, gas_fee, asset, network, wallet_address, is_ours,"
            " delivered_minor, delivered_rule, first_seen_at, read_at, version, applied_version)"
            " VALUES (%(id)s, 'simulator', 'onramp', 'buy', %(order)s, %(top_up)s, '{}', 4, 'delivered',"
            " %(bought)s, 0.25, %(asset)s, %(network)s, %(address)s,"
            " true, %(minor)s, 'actual_minus_gas', %(now)s, %(now)s, 1, 1)",
            {
                "id": row_id,
                "order": order_id,
                "top_up": top_up_id,
                "minor": amount_minor,
                "bought": from_minor(amount_minor, scale=SCALES[asset]) + Decimal("0.25"),
                "asset": asset,
                "network": network,
                "address": address,
                "now": NOW,
            },
        )
        return Delivery(Environment.SIMULATOR, row_id, order_id, asset, network, address, amount_minor)

    def settle(
        self, top_up_id: str, amount_minor: int, *, asset: str = "USDT", status: str = "settled"
    ) -> None:
        self.owner.execute(
            "UPDATE top_ups SET status = %s, has_entry = true, received_minor = %s, received_asset = %s,"
            " settled_at = %s, reason = %s WHERE id = %s",
            (status, amount_minor, asset, NOW, "over_limit" if status == "in_review" else None, top_up_id),
        )

    def open_case(self, kind: str, *, top_up_id: str | None = None, order_row: str | None = None) -> None:
        self.owner.execute(
            "INSERT INTO exceptions (id, environment, kind, top_up_id, provider_order_id, detail, opened_at)"
            " VALUES (%s, 'simulator', %s, %s, %s, '', %s)",
            (secrets.token_hex(16), kind, top_up_id, order_row, NOW),
        )

    def close_cases(self, *, top_up_id: str | None = None, order_row: str | None = None) -> None:
        self.owner.execute(
            "UPDATE exceptions SET closed_at = %s, closed_by = 'operator-1', close_reason = 'looked at'"
            " WHERE closed_at IS NULL AND (top_up_id = %s OR provider_order_id = %s)",
            (NOW, top_up_id, order_row),
        )

    def amount(self, user_id: str, amount_minor: int, *, asset: str = "USDT") -> UserAmount:
        return UserAmount(Environment.SIMULATOR, user_id, asset, amount_minor)

    def accounts(self) -> dict[str, int]:
        """Return the balance of every account that is not zero, by name."""
        rows = self.owner.execute(
            "SELECT a.name, sum(e.amount_minor) FROM ledger_entries e"
            " JOIN ledger_accounts a ON a.id = e.account_id GROUP BY a.name HAVING sum(e.amount_minor) <> 0"
        )
        return {name: int(total) for name, total in rows}

    def count(self, table: str) -> int:
        return self.owner.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def tamper(self, *statements: str) -> None:
        """Run statements as a superuser who disables the triggers; each must change at least one row."""
        with psycopg.connect(self.url) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                assert connection.execute(statement).rowcount > 0, statement


async def post_now(*instructions: Instruction) -> list[PostedTransfer]:
    return await post_on_record(instructions)


async def findings() -> list[Finding]:
    async with transaction() as db:
        return await verify_ledger(db)
