"""Any sequence of operations leaves books that balance, are covered and verify."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from onramp_app.ledger import instructions as ledger
from onramp_app.ledger.errors import AccountOverdrawn, InsufficientFunds
from onramp_app.ledger.instructions import Delivery
from onramp_app.ledger.transfers import Account, AccountKind
from tests.ledger.books import BY_OPERATOR, BY_POLL, NOW, TREASURY, Books, findings, post_now
from tests.recorded_posting import spend


@dataclass
class Life:
    """A few users and their deliveries, and random operations on them."""

    books: Books
    rng: random.Random
    refused: int = 0
    turn: int = 0
    users: list[str] = field(default_factory=list)
    settled: list[tuple[Delivery, dict[str, str], int]] = field(default_factory=list)
    held: list[tuple[Delivery, dict[str, str]]] = field(default_factory=list)
    unowned: list[Delivery] = field(default_factory=list)
    reversed: list[tuple[Delivery, dict[str, str], int]] = field(default_factory=list)
    payable: list[Delivery] = field(default_factory=list)

    def _take(self, things: list):
        return things.pop(self.rng.randrange(len(things)))

    def _whose(self, asset: str) -> dict[str, str]:
        user_id = self.rng.choice(self.users)
        return {"user_id": user_id, "top_up_id": self.books.top_up(user_id, asset=asset)}

    def _asset(self) -> str:
        return self.rng.choice(list(TREASURY))

    async def settle(self) -> None:
        asset, amount = self._asset(), self.rng.randrange(1, 10**9)
        whose = self._whose(asset)
        delivery = self.books.delivery(amount, asset=asset, top_up_id=whose["top_up_id"])
        receive = ledger.receive_available(delivery, **whose, cause=BY_POLL)
        # Posted twice, sometimes in one batch: that must not matter.
        posted = await post_now(*[receive] * self.rng.randrange(1, 3))
        assert [one.is_new for one in posted] == [True, False][: len(posted)]
        self.books.settle(whose["top_up_id"], amount, asset=asset)
        self.settled.append((delivery, whose, 1))

    async def hold(self) -> None:
        asset, amount = self._asset(), self.rng.randrange(1, 10**9)
        whose = self._whose(asset)
        delivery = self.books.delivery(amount, asset=asset, top_up_id=whose["top_up_id"])
        await post_now(ledger.receive_held(delivery, **whose, cause=BY_POLL))
        self.books.settle(whose["top_up_id"], amount, asset=asset, status="in_review")
        self.books.open_case("held", top_up_id=whose["top_up_id"])
        self.held.append((delivery, whose))

    async def receive_for_nobody(self) -> None:
        asset = self._asset()
        delivery = self.books.delivery(self.rng.randrange(1, 10**9), asset=asset)
        await post_now(ledger.receive_suspense(delivery, cause=BY_POLL))
        self.books.open_case("suspense", order_row=delivery.provider_order_id)
        self.unowned.append(delivery)

    async def attribute(self) -> None:
        delivery = self._take(self.unowned)
        whose = self._whose(delivery.asset)
        await post_now(ledger.attribute(delivery, **whose, cause=BY_OPERATOR))
        self.books.settle(whose["top_up_id"], delivery.amount_minor, asset=delivery.asset)
        self.books.close_cases(order_row=delivery.provider_order_id)
        self.settled.append((delivery, whose, 1))

    async def release(self) -> None:
        delivery, whose = self._take(self.held)
        await post_now(ledger.release(delivery, **whose, cause=BY_OPERATOR))
        self.books.settle(whose["top_up_id"], delivery.amount_minor, asset=delivery.asset)
        self.books.close_cases(top_up_id=whose["top_up_id"])
        self.settled.append((delivery, whose, 1))

    async def give_back(self) -> None:
        delivery, whose = self._take(self.held)
        await post_now(ledger.return_(delivery, **whose, cause=BY_OPERATOR))
        self.books.settle(whose["top_up_id"], delivery.amount_minor, asset=delivery.asset, status="reversed")
        self.books.close_cases(top_up_id=whose["top_up_id"])
        self.payable.append(delivery)

    async def spend(self) -> None:
        user_id, asset = self.rng.choice(self.users), self._asset()
        amount = self.books.amount(user_id, self.rng.randrange(1, 10**9), asset=asset)
        await post_now(spend(f"{self.turn}", amount, cause=BY_POLL))

    async def reverse(self) -> None:
        delivery, whose, turn = self._take(self.settled)
        await post_now(ledger.reverse(delivery, **whose, cause=BY_OPERATOR, turn=turn))
        self.books.settle(whose["top_up_id"], delivery.amount_minor, asset=delivery.asset, status="reversed")
        if self.rng.random() < 0.5:
            self.payable.append(delivery)
        else:
            self.reversed.append((delivery, whose, turn))

    async def undo(self) -> None:
        delivery, whose, turn = self._take(self.reversed)
        await post_now(ledger.undo_reverse(delivery, **whose, cause=BY_OPERATOR, turn=turn))
        self.books.settle(whose["top_up_id"], delivery.amount_minor, asset=delivery.asset)
        self.settled.append((delivery, whose, turn + 1))

    async def pay_back(self) -> None:
        delivery = self._take(self.payable)
        await post_now(self.rng.choice((ledger.remit, ledger.setoff))(delivery, cause=BY_OPERATOR))

    async def write_off(self) -> None:
        # Few users owe anything: picking from all users and assets would find a debtor only in some runs.
        owed = self.books.owner.execute("SELECT user_id, asset FROM user_balances WHERE owed_minor > 0")
        debtors = sorted(owed.fetchall(), key=lambda one: (self.users.index(one[0]), one[1]))
        user_id, asset = self.rng.choice(debtors or [(self.rng.choice(self.users), self._asset())])
        amount = self.books.amount(user_id, self.rng.randrange(1, 10**7), asset=asset)
        await post_now(ledger.write_off(f"{self.turn}", amount, cause=BY_OPERATOR))

    async def make_good(self) -> None:
        """Make good to a user, after adding the operator's own coins to the treasury as cover."""
        user_id, asset = self.rng.choice(self.users), self._asset()
        network, address = TREASURY[asset]
        amount = self.books.amount(user_id, self.rng.randrange(1, 10**9), asset=asset)
        counted = ledger.count(
            Account(AccountKind.TREASURY, asset, network=network, address=f"{address}{self.turn}"),
            missing_minor=-amount.amount_minor,
            on=NOW.date(),
            environment=amount.environment,
            cause=BY_OPERATOR,
        )
        await post_now(counted, ledger.make_good(f"{self.turn}", amount, cause=BY_OPERATOR))

    def possible(self) -> list[Callable[[], Awaitable[None]]]:
        always = [self.settle, self.hold, self.receive_for_nobody, self.make_good, self.write_off]
        always += [self.settle, self.spend, self.spend]
        if self.unowned:
            always.append(self.attribute)
        if self.held:
            always += [self.release, self.give_back]
        if self.settled:
            always += [self.reverse, self.reverse]
        if self.reversed:
            always.append(self.undo)
        if self.payable:
            always.append(self.pay_back)
        return always

    async def live(self, operations: int) -> None:
        self.users = [self.books.user() for _ in range(8)]
        for self.turn in range(operations):
            try:
                await self.rng.choice(self.possible())()
            except (InsufficientFunds, AccountOverdrawn):
                self.refused += 1


async def _live(books: Books, operations: int, *, least_kinds: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)  # noqa: T201 - a failed random trial needs its seed
    life = Life(books, random.Random(seed))
    await life.live(operations)
    assert await findings() == []
    kinds = {row[0] for row in books.owner.execute("SELECT DISTINCT kind FROM ledger_transfers")}
    assert len(kinds) >= least_kinds, kinds
    assert 0 < life.refused < operations / 2
    # The control: with one minor unit more on one account, verification fails.
    books.tamper(
        "UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE (transfer_id, account_id) ="
        " (SELECT transfer_id, account_id FROM ledger_entries ORDER BY random() LIMIT 1)"
    )
    assert {finding.rule for finding in await findings()} >= {"asset_balances", "transfer_balances"}


async def test_a_hundred_and_fifty_operations_leave_sound_books(books: Books) -> None:
    await _live(books, 150, least_kinds=8)  # The rare ones need more operations.


@pytest.mark.full
async def test_ten_thousand_operations_leave_sound_books(books: Books) -> None:
    await _live(books, 10_000, least_kinds=13)
