"""Fixtures for operators' decisions: books with an operator, checked for soundness after each test."""

import base64
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from onramp_app.ledger import instructions as ledger
from onramp_app.ledger.instructions import Delivery
from onramp_app.operators.mandate import Mandate
from tests import rows, stored_webhooks
from tests.ledger.books import BY_POLL, NOW, Books, findings, post_now
from tests.people import operator_code

REASON = "the provider confirmed it by mail"


@dataclass
class Desk:
    """The books as an operator finds them, with helpers to prepare cases and to inspect the outcome."""

    books: Books
    operator_id: str

    @property
    def mandate(self) -> Mandate:
        """A mandate with a fresh operator code: each code is good for one act."""
        return self.mandate_of(self.operator_id)

    def mandate_of(self, operator_id: str, *, confirms: str | None = None) -> Mandate:
        code = operator_code(self.books.owner, operator_id)
        return Mandate(f"{operator_id}@example.org", REASON, code, confirms=confirms)

    def operator(self, role: str = "operator") -> str:
        """Create another account with a role. Returns its id."""
        operator_id = self.books.user()
        rows.grant_role(self.books.owner, operator_id, role)
        return operator_id

    def confirmed(self) -> str:
        """Create another account whose email address is confirmed. Returns its id."""
        return self.books.user(email_confirmed_at=NOW)

    async def held(self, amount: int = 100, *, user_id: str | None = None) -> tuple[str, Delivery]:
        user_id = user_id or self.books.user()
        top_up_id = self.books.top_up(user_id)
        delivery = self.books.delivery(amount, top_up_id=top_up_id)
        self.books.settle(top_up_id, amount, status="in_review")
        self.books.open_case("held", top_up_id=top_up_id, order_row=delivery.provider_order_id)
        await post_now(ledger.receive_held(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_POLL))
        return top_up_id, delivery

    async def settled(self, amount: int = 100, *, user_id: str | None = None) -> tuple[str, Delivery]:
        user_id = user_id or self.books.user()
        top_up_id = self.books.top_up(user_id)
        delivery = self.books.delivery(amount, top_up_id=top_up_id)
        self.books.settle(top_up_id, amount)
        await post_now(
            ledger.receive_available(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_POLL)
        )
        return top_up_id, delivery

    async def suspense(self, amount: int = 100) -> Delivery:
        delivery = self.books.delivery(amount)
        self.books.owner.execute(
            "UPDATE provider_orders SET fiat_amount = 950, fiat_currency = 'INR', fiat_type = 1,"
            " payment_kind = 1 WHERE id = %s",
            (delivery.provider_order_id,),
        )
        self.books.open_case("suspense", order_row=delivery.provider_order_id)
        await post_now(ledger.receive_suspense(delivery, cause=BY_POLL))
        return delivery

    def in_review(self) -> str:
        """Create a top-up in review with nothing booked. Returns its id."""
        top_up_id = self.books.top_up(self.books.user())
        self.books.owner.execute(
            "UPDATE top_ups SET status = 'in_review', reason = 'timed_out' WHERE id = %s", (top_up_id,)
        )
        self.books.open_case("in_review", top_up_id=top_up_id)
        return top_up_id

    def owner_of(self, top_up_id: str) -> str:
        return self.books.owner.execute("SELECT user_id FROM top_ups WHERE id = %s", (top_up_id,)).fetchone()[
            0
        ]

    def top_up(self, top_up_id: str) -> tuple[str, str | None, str, bool]:
        return self.books.owner.execute(
            "SELECT status, reason, charged, has_entry FROM top_ups WHERE id = %s", (top_up_id,)
        ).fetchone()

    def timeline(self, top_up_id: str) -> list[tuple[str, str, str | None, str]]:
        return self.books.owner.execute(
            "SELECT status, source, actor, detail FROM top_up_steps WHERE top_up_id = %s ORDER BY id",
            (top_up_id,),
        ).fetchall()

    def open_kinds(self) -> list[str]:
        rows = self.books.owner.execute("SELECT kind FROM exceptions WHERE closed_at IS NULL ORDER BY kind")
        return [kind for (kind,) in rows]

    def audit(self) -> list[tuple[str, str, str]]:
        return self.books.owner.execute(
            "SELECT actor, action, subject FROM audit_log WHERE action <> 'account.role_granted'"
            " ORDER BY at, id"
        ).fetchall()

    def grants(self) -> list[tuple[str, str, str]]:
        return self.books.owner.execute(
            "SELECT actor, action, subject FROM audit_log WHERE action = 'account.role_granted'"
            " ORDER BY at, id"
        ).fetchall()

    def everything(self) -> tuple[object, ...]:
        """Everything that a decision could change, to check that a refused one changed nothing."""
        return (
            self.books.accounts(),
            self.books.owner.execute("SELECT * FROM top_ups ORDER BY id").fetchall(),
            self.open_kinds(),
            *(self.books.count(table) for table in ("ledger_transfers", "top_up_steps", "audit_log")),
        )


@pytest.fixture
async def control_desk(database: str) -> Desk:
    """A desk for the control variants, which must break the books."""
    books = Books(database)
    operator_id = books.user()
    rows.grant_role(books.owner, operator_id)
    return Desk(books, operator_id)


@pytest.fixture
async def desk(control_desk: Desk) -> AsyncIterator[Desk]:
    yield control_desk
    assert await findings() == []


def store_webhook(books: Books, header: bytes, *, order_id: str | None, body: bytes = b"{}") -> int:
    number = stored_webhooks.store(books.owner, base64.b64decode(header), body=body, received_at=NOW)
    books.owner.execute(
        "UPDATE webhook_events SET flow = %s, order_id = %s WHERE id = %s",
        ("buy" if order_id else None, order_id, number),
    )
    return number


def unknown_id() -> str:
    return secrets.token_hex(16)
