"""Our own limits: what counts, what is left, and that concurrent requests cannot exceed them."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain.ids import new_id
from onramp_app.domain.payments import PaymentKind
from onramp_app.ledger.assets import enable_assets
from onramp_app.pricing.quotes import PurchaseRequest, Quote
from onramp_app.providers.errors import AmountOutOfLimits, ProviderUnavailable
from onramp_app.providers.port import ProviderQuote
from onramp_app.setting_forms import TreasuryAddress
from onramp_app.top_ups import limits, top_ups
from onramp_app.top_ups.errors import TierTooLow, TooManyOpenTopUps
from onramp_app.top_ups.top_ups import Offer
from tests import rows
from tests.databases import owner_of

DAY = {"currency": "INR", "none": {"per_day": "1000"}}


class World:
    """A database with people in it, written by its owner."""

    def __init__(self, url: str) -> None:
        self.owner = owner_of(url)

    def person(self, tier: str = "none") -> str:
        return rows.user(self.owner, kyc_tier=tier)

    def top_up(self, user_id: str, amount: str, status: str = "settled", **columns: Any) -> str:
        """Write a top-up in a status, with the columns that belong to it. Returns its id."""
        come_so_far: dict[str, Any] = {}
        if status in ("settled", "reversed"):
            delivered = {"has_entry": True, "received_minor": 1, "received_asset": "USDT"}
            come_so_far = {"settled_at": datetime.now(UTC), **delivered}
        elif status == "in_review":
            come_so_far = {"reason": "over_limit"}
        given = {"fiat_amount": amount, "status": status} | come_so_far | columns
        return rows.top_up(self.owner, user_id, **given)

    def total(self, user_id: str) -> Decimal:
        found = self.owner.execute("SELECT sum(fiat_amount) FROM top_ups WHERE user_id = %s", (user_id,))
        return (found.fetchone() or [0])[0] or Decimal(0)


@pytest.fixture
async def world(database: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    await enable_assets()
    return World(database)


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def limit(settings: dict[str, Any]) -> None:
        """Give every unnamed tier the limits of the lowest one, so that a higher tier would not help."""
        alike = dict.fromkeys(("basic", "full"), settings.get("none", {}))
        monkeypatch.setenv("LIMITS", json.dumps(alike | settings))
        get_settings.cache_clear()

    yield limit
    get_settings.cache_clear()


def offer(amount: str, currency: str = "INR", *, rates: dict[str, str] | None = None) -> Offer:
    quoted = ProviderQuote(
        *(Decimal(n) for n in ("88", amount, "11", "1", "0", "2", "0")),
        expires_at=datetime.now(UTC) + timedelta(seconds=30),
        raw="{}",
    )
    request = PurchaseRequest(currency, Decimal(amount), "USDT", "matic20", "UPI")
    return Offer(
        quote=Quote(request, 1 if currency == "INR" else 21, 54, 3, PaymentKind.INSTANT, quoted),
        recognition_id=secrets.token_hex(16),
        address=TreasuryAddress(address="0x" + "51" * 20),
        widget_url="http://localhost:8001/main/buy/?appId=1",
        rates={c: Decimal(r) for c, r in (rates or {"INR": "1"}).items()},
        least=Decimal(100),
    )


async def add(user_id: str, amount: str, currency: str = "INR", **options: Any) -> bool:
    """Store a top-up. Returns whether the limits allowed it."""
    try:
        async with transaction() as db:
            await top_ups.store(db, user_id, offer(amount, currency, **options))
    except (AmountOutOfLimits, TierTooLow, TooManyOpenTopUps):
        return False
    return True


async def race(world: World, *, rounds: int) -> int:
    """Race 32 requests at the edge of a limit, round by round. Returns how many rounds exceeded it."""
    over = 0
    for _ in range(rounds):
        user_id = world.person()
        done = await asyncio.gather(*(add(user_id, "300") for _ in range(32)))
        assert sum(done) >= 1
        over += world.total(user_id) > 1000
    return over


@pytest.mark.parametrize("rounds", [3, pytest.param(1000, marks=pytest.mark.full)])
async def test_nobody_gets_over_a_limit_by_being_quick(world: World, limited: Any, rounds: int) -> None:
    limited(DAY)
    assert await race(world, rounds=rounds) == 0


async def test_of_32_at_once_as_many_are_begun_as_may_be_open(world: World) -> None:
    ada = world.person()
    done = await asyncio.gather(*(add(ada, "300") for _ in range(32)))
    assert sum(done) == top_ups.MAX_OPEN


async def test_control_without_the_lock_they_do(
    world: World, limited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_only(db: AsyncSession, user_id: str) -> User:
        return (await db.exec(select(User).where(User.id == user_id))).one()

    limited(DAY)
    monkeypatch.setattr(limits, "lock_person", read_only)
    for _ in range(5):
        if over := await race(world, rounds=1):
            break
    assert over


async def test_a_limit_is_inclusive_and_names_what_is_left(world: World, limited: Any) -> None:
    limited(DAY)
    ada = world.person()
    assert await add(ada, "400.01")
    with pytest.raises(AmountOutOfLimits) as refused:
        async with transaction() as db:
            await top_ups.store(db, ada, offer("600"))
    assert refused.value.extra == {"max": "599.99", "min": "100"}
    assert await add(ada, "599.99")
    assert not await add(ada, "0.01")
    assert await add(world.person(), "1000")


async def test_each_tier_has_its_own_limits(world: World, limited: Any) -> None:
    tiers = {"none": {"per_top_up": "100"}, "basic": {"per_top_up": "500"}}
    limited({"currency": "INR", **tiers, "full": {}})
    outcomes = {}
    for tier in ("none", "basic", "full"):
        person = world.person(tier)
        outcomes[tier] = [await add(person, amount) for amount in ("100", "101", "501")]
    assert outcomes == {
        "none": [True, False, False],
        "basic": [True, True, False],
        "full": [True, True, True],
    }


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("created", True),
        ("awaiting_payment", True),
        ("processing", True),
        ("in_review", True),
        ("settled", True),
        ("canceled", False),
        ("expired", False),
        ("failed", False),
        ("reversed", False),
    ],
)
async def test_what_may_still_arrive_counts(world: World, limited: Any, status: str, counts: bool) -> None:
    limited(DAY)
    ada = world.person()
    world.top_up(ada, "900", status)
    assert await add(ada, "101") is not counts
    assert await add(ada, "100")


async def test_days_and_months_are_of_utc_and_count_by_settlement(world: World) -> None:
    ada, at = world.person(), datetime(2026, 3, 15, 12, tzinfo=UTC)
    moments = {
        "1": "2026-02-28T23:59:59.999999Z",
        "10": "2026-03-01T00:00:00Z",
        "100": "2026-03-14T23:59:59.999999Z",
        "1000": "2026-03-15T00:00:00Z",
    }
    for amount, moment in moments.items():
        world.top_up(ada, amount, settled_at=moment, created_at="2026-01-01T00:00:00Z")
    world.top_up(ada, "10000", "created", created_at="2026-01-01T00:00:00Z")
    async with transaction() as db:
        assert await limits.used_amounts(db, ada, at=at) == {
            "INR": limits.UsedAmounts(Decimal(11000), Decimal(11110))
        }


async def test_what_was_truly_paid_counts(world: World) -> None:
    ada, now = world.person(), datetime.now(UTC)
    for asked, status, paid in (
        ("100", "settled", "40"),
        ("100", "processing", "40"),
        ("100", "processing", "700"),
    ):
        order = new_id()
        world.owner.execute(
            "INSERT INTO provider_orders (id, environment, provider, flow, order_id, fiat_currency,"
            " fiat_amount, raw, first_seen_at, read_at, version, applied_version)"
            " VALUES (%s, 'simulator', 'onramp', 'buy', %s, 'INR', %s, '{}', %s, %s, 1, 1)",
            (order, order, paid, now, now),
        )
        world.top_up(ada, asked, status, best_order_id=order)
    async with transaction() as db:
        (found,) = (await limits.used_amounts(db, ada, at=now)).values()
    assert found.today == 40 + 100 + 700


async def test_other_currencies_count_at_their_rate(world: World, limited: Any) -> None:
    limited({"currency": "USD", "none": {"per_day": "100"}})
    ada, rates = world.person(), {"USD": "1", "INR": "0.0125"}
    assert await add(ada, "4000", rates=rates)
    assert not await add(ada, "50.01", "USD", rates=rates)
    assert await add(ada, "50", "USD", rates=rates)
    kept = world.owner.execute("SELECT base_amount, base_currency FROM top_ups ORDER BY id").fetchall()
    assert kept == [(Decimal("50.0000"), "USD"), (Decimal(50), "USD")]


async def test_the_amount_in_the_base_currency_is_kept_without_limits_too(world: World) -> None:
    for rates in ({"INR": "0.0125"}, {"EUR": "1"}):
        assert await add(world.person(), "400", rates=rates)
    kept = world.owner.execute("SELECT base_amount, base_currency FROM top_ups ORDER BY id").fetchall()
    assert kept == [(Decimal(5), "USD"), (None, None)]


async def test_what_cannot_be_counted_is_not_let_through(world: World, limited: Any) -> None:
    limited({"currency": "USD", "none": {"per_day": "100"}})
    ada = world.person()
    with pytest.raises(ProviderUnavailable):
        async with transaction() as db:
            await top_ups.store(db, ada, offer("1", rates={"USD": "1"}))
    world.top_up(ada, "10", "created")  # made before there were limits, so without an amount in USD
    with pytest.raises(ProviderUnavailable):
        async with transaction() as db:
            await top_ups.store(db, ada, offer("1", "USD", rates={"USD": "1"}))
    assert world.total(ada) == 10
