"""The simulator's own SQLite file: orders, every version of them, webhooks, scenarios, customers, settings.

Each write is committed before the caller goes on, so that an answered request outlives a killed process.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onramp_app.simulator.wire import now_ms, parse_json, printed_document, to_json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    order_id INTEGER PRIMARY KEY, flow INTEGER NOT NULL, product TEXT NOT NULL, fiat_type INTEGER NOT NULL,
    created_ms INTEGER NOT NULL, recognition_id TEXT, document TEXT NOT NULL, printed TEXT NOT NULL,
    private TEXT NOT NULL, due_ms INTEGER, waiting INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS orders_history ON orders (flow, product, fiat_type, created_ms, order_id);
CREATE INDEX IF NOT EXISTS orders_due ON orders (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_waiting ON orders (waiting) WHERE waiting = 1;
CREATE INDEX IF NOT EXISTS orders_recognition ON orders (recognition_id);
CREATE TABLE IF NOT EXISTS versions (
    order_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, printed TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS versions_order ON versions (order_id, at_ms);
CREATE TABLE IF NOT EXISTS webhooks (
    webhook_id INTEGER PRIMARY KEY AUTOINCREMENT, order_id INTEGER, url TEXT NOT NULL, body TEXT NOT NULL,
    variant TEXT NOT NULL, trials INTEGER NOT NULL, due_ms INTEGER, state TEXT NOT NULL,
    result TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhooks_order ON webhooks (order_id);
CREATE TABLE IF NOT EXISTS scenarios (
    scenario_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, times INTEGER, order_id INTEGER,
    value TEXT NOT NULL, until_ms INTEGER);
CREATE TABLE IF NOT EXISTS transactions (
    name TEXT PRIMARY KEY, chain_id INTEGER NOT NULL, mined_ms INTEGER NOT NULL, contract TEXT,
    receiver TEXT NOT NULL, units TEXT NOT NULL, succeeded INTEGER NOT NULL, leaves TEXT);
CREATE INDEX IF NOT EXISTS transactions_receiver ON transactions (chain_id, lower(receiver));
CREATE TABLE IF NOT EXISTS customers (
    customer_id TEXT PRIMARY KEY, phone TEXT NOT NULL UNIQUE, document TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass
class Order:
    """One order. `document` is what the provider prints; the rest is what only the simulator knows.

    `plan` holds what comes next: `[status, seconds after the step before, wait until it was read]`.
    """

    order_id: int
    flow: int
    product: str
    fiat_type: int
    created_ms: int
    document: dict[str, Any]
    plan: list[list[Any]] = field(default_factory=list)
    applied: list[int] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    due_ms: int | None = None
    waiting: bool = False

    @property
    def status(self) -> int:
        """The number of the order's flow."""
        return int(self.document["status"])


@dataclass
class Transaction:
    """One transaction of a chain and the transfer in it, in the smallest units of the chain.

    `name` is its hash, `contract` the token's, None for the native coin. `leaves` says when its block leaves
    the chain: `before` its confirmations, `after` them, or never (None).
    """

    name: str
    chain_id: int
    mined_ms: int
    contract: str | None
    receiver: str
    units: int
    succeeded: bool
    leaves: str | None


@dataclass
class Webhook:
    """One event on its way: the true body, how this one deviates, and when it is due."""

    order_id: int | None
    url: str
    body: dict[str, Any]
    variant: dict[str, Any]
    due_ms: int | None
    state: str = "waiting"
    trials: int = 0
    result: str = ""
    webhook_id: int = 0  # given by the store


@dataclass(frozen=True)
class HistoryPage:
    """Which orders are asked for. `as_of_ms`: as they were then, and none that is younger; None means now."""

    flow: int
    fiat_type: int
    since_ms: int
    descending: bool
    limit: int
    offset: int
    as_of_ms: int | None


class Store:
    """Everything that is kept. One connection, used by one thread only."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # What is committed outlives a killed process in any case: the kernel has it. Only a power cut
        # could harm the file, and waiting for the disk makes a busy machine's simulator stand still.
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA busy_timeout=5000;")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all writes inside together, or none. May be nested; the outermost one commits."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def erase(self) -> None:
        """Remove everything but the settings."""
        with self.transaction():
            for table in ("orders", "versions", "webhooks", "scenarios", "customers", "transactions"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - the names stand in the line above  # nosec B608
            self._db.execute("DELETE FROM settings WHERE name LIKE 'fork:%'")

    def setting(self, name: str) -> str | None:
        """Return a setting's text."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row["value"])

    def set_setting(self, name: str, value: str) -> None:
        """Keep a setting."""
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def save_order(self, order: Order) -> None:
        """Write the order and, when what the provider prints has changed, a version of it."""
        printed = to_json(printed_document(order.document))
        before = self._db.execute(
            "SELECT printed FROM orders WHERE order_id = ?", (order.order_id,)
        ).fetchone()
        private = {"plan": order.plan, "applied": order.applied, "facts": order.facts}
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    order.order_id,
                    order.flow,
                    order.product,
                    order.fiat_type,
                    order.created_ms,
                    order.document.get("merchantRecognitionId"),
                    to_json(order.document),
                    printed,
                    to_json(private),
                    order.due_ms,
                    order.waiting,
                ),
            )
            if before is None or before["printed"] != printed:
                self._db.execute("INSERT INTO versions VALUES (?, ?, ?)", (order.order_id, now_ms(), printed))

    def order(self, order_id: int) -> Order | None:
        """Find one order."""
        found = self._orders("WHERE order_id = ?", (order_id,))
        return found[0] if found else None

    def due_orders(self, at_ms: int) -> list[Order]:
        """Return the orders whose next step is due."""
        return self._orders("WHERE due_ms <= ? ORDER BY due_ms LIMIT 200", (at_ms,))

    def newest_orders(self, limit: int, recognition_id: str | None = None) -> list[Order]:
        """Return the newest orders of every flow, or those of one recognition id."""
        if recognition_id is None:
            return self._orders("ORDER BY created_ms DESC, order_id DESC LIMIT ?", (limit,))
        return self._orders(
            "WHERE recognition_id = ? ORDER BY created_ms DESC, order_id DESC LIMIT ?",
            (recognition_id, limit),
        )

    def _orders(self, rest: str, values: Sequence[Any]) -> list[Order]:
        return [
            Order(
                order_id=row["order_id"],
                flow=row["flow"],
                product=row["product"],
                fiat_type=row["fiat_type"],
                created_ms=row["created_ms"],
                document=parse_json(row["document"]),
                due_ms=row["due_ms"],
                waiting=bool(row["waiting"]),
                **parse_json(row["private"]),
            )
            for row in self._db.execute("SELECT * FROM orders " + rest, values)  # noqa: S608 - constant parts  # nosec B608
        ]

    def history(self, page: HistoryPage) -> list[tuple[int, str]]:
        """Return `(order id, printed JSON)` of one page, ordered by creation."""
        direction = "DESC" if page.descending else "ASC"
        printed, until = "printed", ""
        values: list[Any] = [page.flow, page.fiat_type, page.since_ms]
        if page.as_of_ms is not None:
            printed = (
                "(SELECT v.printed FROM versions v WHERE v.order_id = orders.order_id AND v.at_ms <= ?"
                " ORDER BY v.at_ms DESC, v.rowid DESC LIMIT 1) AS printed"
            )
            until = " AND created_ms <= ?"
            values = [page.as_of_ms, *values, page.as_of_ms]
        statement = (
            f"SELECT order_id, {printed} FROM orders"  # noqa: S608 - constant parts  # nosec B608
            f" WHERE flow = ? AND product = 'widget' AND fiat_type = ? AND created_ms >= ?{until}"
            f" ORDER BY created_ms {direction}, order_id {direction} LIMIT ? OFFSET ?"
        )
        rows = self._db.execute(statement, (*values, page.limit, page.offset))
        return [(row["order_id"], row["printed"]) for row in rows if row["printed"] is not None]

    def mark_read(self, order_ids: Sequence[int], due_ms: int) -> None:
        """Let the orders of a page that waited to be read take their next step at a moment."""
        waiting = {
            row["order_id"] for row in self._db.execute("SELECT order_id FROM orders WHERE waiting = 1")
        }
        for order_id in waiting.intersection(order_ids):
            self._db.execute(
                "UPDATE orders SET waiting = 0, due_ms = ? WHERE order_id = ?", (due_ms, order_id)
            )

    def versions(self, order_id: int) -> list[tuple[int, dict[str, Any]]]:
        """Return `(when, document as printed)` of each version, oldest first."""
        rows = self._db.execute(
            "SELECT at_ms, printed FROM versions WHERE order_id = ? ORDER BY rowid", (order_id,)
        )
        return [(row["at_ms"], parse_json(row["printed"])) for row in rows]

    def add_webhook(self, webhook: Webhook) -> None:
        """Keep a new webhook; without `due_ms` it is never sent and stands there for the record."""
        self._db.execute(
            "INSERT INTO webhooks (order_id, url, body, variant, trials, due_ms, state, result)"
            " VALUES (?, ?, ?, ?, 0, ?, ?, '')",
            (
                webhook.order_id,
                webhook.url,
                to_json(webhook.body),
                to_json(webhook.variant),
                webhook.due_ms,
                webhook.state,
            ),
        )

    def due_webhooks(self, at_ms: int, limit: int) -> list[Webhook]:
        """Return the webhooks that are due, oldest first."""
        return self._webhooks("WHERE due_ms <= ? ORDER BY due_ms, webhook_id LIMIT ?", (at_ms, limit))

    def webhooks(self, order_id: int) -> list[Webhook]:
        """Return all webhooks of one order, oldest first."""
        return self._webhooks("WHERE order_id = ? ORDER BY webhook_id", (order_id,))

    def _webhooks(self, rest: str, values: Sequence[Any]) -> list[Webhook]:
        return [
            Webhook(
                webhook_id=row["webhook_id"],
                order_id=row["order_id"],
                url=row["url"],
                body=parse_json(row["body"]),
                variant=parse_json(row["variant"]),
                due_ms=row["due_ms"],
                trials=row["trials"],
                state=row["state"],
                result=row["result"],
            )
            for row in self._db.execute("SELECT * FROM webhooks " + rest, values)  # noqa: S608 - constant parts  # nosec B608
        ]

    def save_webhook(self, webhook: Webhook) -> None:
        """Record the outcome of a trial and when the next one is due, if any."""
        self._db.execute(
            "UPDATE webhooks SET trials = ?, state = ?, result = ?, due_ms = ? WHERE webhook_id = ?",
            (webhook.trials, webhook.state, webhook.result, webhook.due_ms, webhook.webhook_id),
        )

    def save_transaction(self, transaction: Transaction) -> None:
        """Keep a transaction, or change it."""
        row = {**vars(transaction), "units": str(transaction.units)}
        self._db.execute(
            "INSERT OR REPLACE INTO transactions VALUES"
            " (:name, :chain_id, :mined_ms, :contract, :receiver, :units, :succeeded, :leaves)",
            row,
        )

    def transaction_named(self, name: str) -> Transaction | None:
        """Find a transaction by its hash."""
        found = self._transactions("WHERE name = ?", (name,))
        return found[0] if found else None

    def last_transaction(self, chain_id: int) -> Transaction | None:
        """Return the newest transaction of a chain."""
        found = self._transactions("WHERE chain_id = ? ORDER BY rowid DESC LIMIT 1", (chain_id,))
        return found[0] if found else None

    def transactions_to(self, chain_id: int, receiver: str) -> list[Transaction]:
        """Return all transactions of a chain to an address in lower case."""
        return self._transactions("WHERE chain_id = ? AND lower(receiver) = ?", (chain_id, receiver))

    def _transactions(self, rest: str, values: Sequence[Any]) -> list[Transaction]:
        return [
            Transaction(**{**dict(row), "units": int(row["units"]), "succeeded": bool(row["succeeded"])})
            for row in self._db.execute("SELECT * FROM transactions " + rest, values)  # noqa: S608 - constant parts  # nosec B608
        ]

    def next_due_ms(self) -> int | None:
        """Return when the next step or webhook is due."""
        row = self._db.execute(
            "SELECT min(due) AS due FROM (SELECT min(due_ms) AS due FROM orders WHERE due_ms IS NOT NULL"
            " UNION ALL SELECT min(due_ms) FROM webhooks WHERE due_ms IS NOT NULL)"
        ).fetchone()
        return None if row["due"] is None else int(row["due"])

    def add_scenario(
        self, name: str, *, times: int | None, order_id: int | None, value: Any, until_ms: int | None
    ) -> int:
        """Keep a scenario and return its number."""
        cursor = self._db.execute(
            "INSERT INTO scenarios (name, times, order_id, value, until_ms) VALUES (?, ?, ?, ?, ?)",
            (name, times, order_id, to_json(value), until_ms),
        )
        return int(cursor.lastrowid or 0)

    def scenario_rows(self) -> list[dict[str, Any]]:
        """Return the scenarios that still wait, oldest first."""
        rows = self._db.execute("SELECT * FROM scenarios ORDER BY scenario_id")
        return [{**dict(row), "value": parse_json(row["value"])} for row in rows]

    def set_scenario_times(self, scenario_id: int, times: int) -> None:
        """Keep how often a scenario still happens; none left removes it."""
        if times:
            self._db.execute("UPDATE scenarios SET times = ? WHERE scenario_id = ?", (times, scenario_id))
        else:
            self._db.execute("DELETE FROM scenarios WHERE scenario_id = ?", (scenario_id,))

    def clear_scenarios(self) -> None:
        """Remove every scenario."""
        self._db.execute("DELETE FROM scenarios")

    def save_customer(self, customer_id: str, *, phone: str, document: dict[str, Any]) -> None:
        """Keep a white-label customer; a phone belongs to one only."""
        self._db.execute(
            "INSERT INTO customers VALUES (?, ?, ?)"
            " ON CONFLICT (customer_id) DO UPDATE SET document = excluded.document",
            (customer_id, phone, to_json(document)),
        )

    def customer(self, customer_id: str) -> dict[str, Any] | None:
        """Find a customer by its number."""
        row = self._db.execute(
            "SELECT document FROM customers WHERE customer_id = ?", (customer_id,)
        ).fetchone()
        return None if row is None else dict(parse_json(row["document"]))

    def customer_by_phone(self, phone: str) -> str | None:
        """Find a customer's number by the phone."""
        row = self._db.execute("SELECT customer_id FROM customers WHERE phone = ?", (phone,)).fetchone()
        return None if row is None else str(row["customer_id"])
