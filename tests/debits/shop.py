"""A program of the operator that debits people, and helpers to inspect the books afterwards."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from onramp_app.debits import debits
from onramp_app.debits.debits import Move, WantedDebit, WantedMove
from onramp_app.debits.views import DebitView
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.ledger import instructions as ledger
from onramp_app.programs.views import Program
from tests import rows
from tests.ledger.books import BY_POLL, SCALES, Books, post_now

PROGRAM = "shop"
SHOP = Program(PROGRAM, PROGRAM, "0" * 32, frozenset(), "127.0.0.1")
HOUR = timedelta(hours=1)


@dataclass
class Shop:
    """A program that debits people. Amounts are in units of the asset, as programs write them."""

    books: Books

    async def person(self, amount: int = 100, *, asset: str = "USDT") -> str:
        """Create a person with a settled top-up, known to the program. Returns their id."""
        user_id = self.known()
        await self.top_up(user_id, amount, asset=asset)
        return user_id

    def known(self, program: str = PROGRAM) -> str:
        """Create a person whom the program knows. Returns their id."""
        user_id = self.books.user()
        rows.keyless_program(self.books.owner, program, knows=user_id)
        return user_id

    async def top_up(self, user_id: str, amount: int, *, asset: str = "USDT") -> None:
        minor = amount * 10 ** SCALES[asset]
        top_up_id = self.books.top_up(user_id, asset=asset)
        delivery = self.books.delivery(minor, asset=asset, top_up_id=top_up_id)
        receive = ledger.receive_available(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_POLL)
        await post_now(receive)
        self.books.settle(top_up_id, minor, asset=asset)

    async def debit(self, user_id: str, amount: str | int, reference: str = "o-1", **more: Any) -> DebitView:
        view, _is_new = await self.debit_or_repeat(user_id, amount, reference, **more)
        return view

    async def debit_or_repeat(
        self, user_id: str, amount: str | int, reference: str = "o-1", **more: Any
    ) -> tuple[DebitView, bool]:
        given = {} if "fiat_currency" in more else {"asset": "USDT"}
        wanted = WantedDebit(user_id, Decimal(amount), reference, **(given | more))
        return await debits.create(SHOP, wanted)

    async def hold(self, user_id: str, amount: str | int, reference: str = "o-1", **more: Any) -> DebitView:
        return await self.debit(user_id, amount, reference, **({"hold": HOUR} | more))

    async def move(
        self, debit: DebitView, what: str, amount: str | int | None = None, reference: str = "m-1"
    ) -> DebitView:
        named = None if amount is None else Decimal(amount)
        return await debits.move(SHOP, debit.id, Move(what), WantedMove(reference, named))

    def balance(self, user_id: str, asset: str = "USDT") -> tuple[Decimal, Decimal]:
        """Return the available and the held balance."""
        row = self.books.owner.execute(
            "SELECT available_minor, held_minor FROM user_balances WHERE user_id = %s AND asset = %s",
            (user_id, asset),
        ).fetchone()
        available, held = (Decimal(minor).scaleb(-SCALES[asset]) for minor in row)
        return available, held

    def expire(self, debit: DebitView) -> None:
        """Backdate the expiry of a hold, so that it has expired."""
        self.books.owner.execute(
            "UPDATE debits SET expires_at = now() - interval '1 second' WHERE id = %s", (debit.id,)
        )

    def freeze(self, user_id: str) -> None:
        self.books.owner.execute("UPDATE users SET frozen_at = now() WHERE id = %s", (user_id,))

    def price(self, symbol: str, per_stable: str, *, age: timedelta = timedelta()) -> None:
        """Store an exchange rate: the price of one USDT in `symbol`."""
        self.books.owner.execute(
            "INSERT INTO exchange_rates (environment, symbol, per_stable, as_of)"
            " VALUES ('simulator', %s, %s, %s)",
            (symbol, Decimal(per_stable), datetime.now(UTC) - age),
        )

    def kinds(self) -> list[str]:
        rows = self.books.owner.execute(
            "SELECT kind FROM ledger_transfers WHERE debit_id IS NOT NULL ORDER BY created_at, id"
        )
        return [kind for (kind,) in rows]


async def as_a_program_does(shop: Shop, user_id: str, amount: str | int, reference: str) -> DebitView:
    """Debit with retries while the database is too busy, which must not debit twice."""
    for _ in range(20):
        try:
            return await shop.debit(user_id, amount, reference)
        except DatabaseUnavailable as away:
            await asyncio.sleep(away.retry_after_seconds or 0.1)
    raise AssertionError("the database never answered")
