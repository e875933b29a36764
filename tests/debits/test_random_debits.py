"""Any sequence of holds, captures, releases, reversals and expiries, several at once, leaves sound books."""

import asyncio
import random
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from onramp_app.db.engine import transaction
from onramp_app.debits import views
from onramp_app.debits.expiry import release_expired
from onramp_app.debits.views import DebitView
from onramp_app.domain.environment import Environment
from onramp_app.domain.errors import ApplicationError
from onramp_app.ledger.debits import instructions
from onramp_app.ledger.debits.instructions import Debit
from onramp_app.ledger.posting import post
from tests.debits.shop import PROGRAM, Shop
from tests.ledger.books import BY_POLL, findings

BALANCE = 1000
AT_ONCE = 6
ACTS = ("debit", "debit", "hold", "hold", "capture", "capture", "release", "reverse", "reverse", "expire")


@dataclass
class Life:
    """A few people and their debits, and random operations of a program on them."""

    shop: Shop
    rng: random.Random
    people: list[str] = field(default_factory=list)
    made: list[DebitView] = field(default_factory=list)
    done: int = 0
    refused: int = 0

    async def act(self, turn: int) -> None:
        what = self.rng.choice(ACTS)
        amount = Decimal(self.rng.randrange(1, 200)).scaleb(-self.rng.randrange(2))
        # Now and then a reference is repeated, with the same content or a different one.
        reference = f"r-{self.rng.randrange(max(0, turn - 3), turn + 1)}"
        try:
            if what in ("debit", "hold") or not self.made:
                make = self.shop.debit if what == "debit" else self.shop.hold
                self.made.append(await make(self.rng.choice(self.people), amount, reference))
            elif what == "expire":
                holds = [one for one in self.made if one.expires_at is not None]
                if holds:
                    self.shop.expire(self.rng.choice(holds))
                await release_expired()
            else:
                named = None if self.rng.random() < 0.3 else amount / 3
                named = None if named is None else named.quantize(Decimal("0.01"))
                await self.shop.move(self.rng.choice(self.made), what, named, reference)
            self.done += 1
        except ApplicationError:
            self.refused += 1

    async def live(self, operations: int) -> None:
        self.people = [await self.shop.person(BALANCE) for _ in range(3)]
        for turn in range(0, operations, AT_ONCE):
            await asyncio.gather(*(self.act(turn + number) for number in range(AT_ONCE)))


async def _live(shop: Shop, operations: int, *, least_kinds: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)  # noqa: T201 - a failed random trial needs its seed
    life = Life(shop, random.Random(seed))
    await life.live(operations)
    assert await findings() == []
    assert min(life.done, life.refused) > operations / 20, (life.done, life.refused)
    assert len(set(shop.kinds())) >= least_kinds, set(shop.kinds())
    # People's balances follow from their debits alone.
    for person in life.people:
        mine, _cursor = await views.page(PROGRAM, user_id=person, limit=10 * operations)
        spent = sum(Decimal(one.posted_amount) - Decimal(one.reversed_amount) for one in mine)
        held = sum(Decimal(one.held_amount) for one in mine)
        assert shop.balance(person) == (BALANCE - spent - held, held)
    await _forget_to_write_a_capture(life)
    rules = {finding.rule for finding in await findings()}
    assert rules >= {"debit_has_its_transfers", "held_has_debit"}


async def _forget_to_write_a_capture(life: Life) -> None:
    """The control: a variant that books a capture but does not update the debit."""
    held = await life.shop.hold(await life.shop.person(), 5, "forgotten")
    of = Debit(Environment.SIMULATOR, held.id, PROGRAM, held.reference, held.user_id, held.asset)
    async with transaction() as db:
        await post(db, [instructions.capture(of, 1, reference="x", is_rest=False, cause=BY_POLL)])


async def test_ninety_operations_leave_sound_books(control_shop: Shop) -> None:
    await _live(control_shop, 90, least_kinds=4)


@pytest.mark.full
async def test_a_thousand_operations_leave_sound_books(control_shop: Shop) -> None:
    await _live(control_shop, 1000, least_kinds=5)
