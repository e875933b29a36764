"""Deliveries of every kind that the simulator cannot produce, and a poisoned order among good ones."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import false
from sqlmodel import select

from onramp_app.config import get_settings
from onramp_app.crediting import apply
from onramp_app.crediting.apply import apply_some, judge_again, retry_some
from onramp_app.crediting.delivery import DOCUMENTED, Symbols
from onramp_app.db.engine import pool_size, transaction
from onramp_app.domain.clock import now
from onramp_app.domain.environment import Environment, StepSource
from onramp_app.ledger import instructions
from onramp_app.ledger.posting import post
from onramp_app.ledger.transfers import Cause
from onramp_app.provider_orders.records import keep_unreadable
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import Flow
from onramp_app.top_ups.moves import run_clock
from tests import rows
from tests.crediting.reads import apply_all, keep, keep_and_apply, order_of, recognition_id
from tests.crediting.world import MATIC_ADDRESS, World
from tests.log_lines import log_lines
from tests.recorded_posting import post_on_record, spend

TEN = 10 * 10**18


@pytest.fixture
def person(world: World) -> tuple[str, str, str]:
    """The ids of a user and one of their top-ups, and its recognition id."""
    user = world.user()
    top_up = world.top_up(user)
    return user, top_up, recognition_id(world, top_up)


@pytest.mark.parametrize("with_owner", [True, False])
async def test_what_was_judged_without_knowing_its_coin_is_judged_again(
    world: World, person: tuple[str, str, str], *, with_owner: bool
) -> None:
    user, top_up, recognition = person
    knows_no_coin = Symbols({}, DOCUMENTED.networks)
    await keep(order_of(1, 4, merchantRecognitionId=recognition if with_owner else "nobody"))
    await apply_some(knows_no_coin)
    assert world.open_cases() == (["in_review"] if with_owner else ["not_ours"])
    await apply_some(DOCUMENTED)
    assert (
        world.one("SELECT count(*) FROM ledger_transfers") == 0
    )  # The control: no order is applied again unprompted.
    assert await judge_again() == 1
    await apply_some(DOCUMENTED)
    assert world.one("SELECT count(*) FROM ledger_transfers") == 1
    assert world.open_cases() == ([] if with_owner else ["suspense"])
    if with_owner:
        assert (world.balance(user), world.state(top_up)["status"]) == ((TEN, 0), "settled")
    assert await judge_again() == 0


async def test_what_was_paid_is_kept_where_it_is_not_what_was_asked_for(
    world: World, person: tuple[str, str, str]
) -> None:
    _, top_up, recognition = person

    async def paid(status: int, amount: int) -> Decimal | None:
        await keep_and_apply(order_of(1, status, merchantRecognitionId=recognition, fiatAmount=amount))
        return world.one("SELECT paid_amount FROM top_ups WHERE id = %s", top_up)

    assert await paid(0, 1200) is None  # A newly opened order requests an amount; nobody has paid it yet.
    assert await paid(2, 1200) == 1200
    assert await paid(2, 1300) == 1300  # The same status, read again with a different amount.
    assert await paid(4, 1000) is None


async def test_what_an_operator_has_closed_is_not_judged_again(
    world: World, person: tuple[str, str, str]
) -> None:
    await keep(order_of(1, 4, merchantRecognitionId="nobody"))
    await apply_some(Symbols({}, DOCUMENTED.networks))
    world.run("UPDATE exceptions SET closed_at = now(), closed_by = 'operator-1', close_reason = 'looked at'")
    assert await judge_again() == 0


async def test_many_readers_of_the_same_delivery_credit_it_once(
    world: World, person: tuple[str, str, str]
) -> None:
    user, _, recognition = person
    order = order_of(1, 4, merchantRecognitionId=recognition)
    await asyncio.gather(*(keep(order) for _ in range(20)))
    await asyncio.gather(*(apply_some(DOCUMENTED) for _ in range(20)))
    assert world.balance(user) == (TEN, 0)
    assert world.one("SELECT count(*) FROM ledger_transfers") == 1
    assert world.rows("SELECT kind, user_id FROM outbox_mails") == [
        {"kind": "top_up_settled", "user_id": user}
    ]


async def test_control_checking_before_inserting_credits_more_than_once(
    world: World, person: tuple[str, str, str]
) -> None:
    user, top_up, recognition = person
    await keep(order_of(1, 4, merchantRecognitionId=recognition))
    row_id = world.one("SELECT id FROM provider_orders")
    together = pool_size()
    all_have_looked = asyncio.Barrier(together)

    async def credit_naively(number: int) -> None:
        async with transaction() as db:
            connection = await db.connection()
            found = await connection.exec_driver_sql("SELECT count(*) FROM ledger_transfers")
            booked_before = found.scalar_one()
            await all_have_looked.wait()
            if booked_before:
                return
            delivery = instructions.Delivery(
                Environment.SIMULATOR, row_id, f"1-{number}", "USDT", "matic20", MATIC_ADDRESS, TEN
            )
            cause = Cause(StepSource.POLL)
            receive = instructions.receive_available(delivery, user_id=user, top_up_id=top_up, cause=cause)
            await post(db, [receive])

    await asyncio.gather(*(credit_naively(number) for number in range(together)))
    world.is_sound = False
    assert world.balance(user)[0] > TEN
    assert "order_has_one_receive" in await world.findings()


async def test_any_process_may_apply_and_each_order_is_applied_by_one(world: World) -> None:
    user = world.user()
    orders = []
    for number in range(120):
        recognition = recognition_id(world, world.top_up(user))
        orders.append(order_of(number, 4, merchantRecognitionId=recognition))
    await keep(*orders)
    rounds = [await asyncio.gather(*(apply_some(DOCUMENTED) for _ in range(4)))]
    await apply_all()
    assert len([applied for applied in rounds[0] if applied.orders]) > 1
    assert world.balance(user) == (120 * TEN, 0)
    assert world.one("SELECT count(*) FROM top_ups WHERE status = 'settled'") == 120


@pytest.mark.parametrize(
    "fields",
    [
        {"actualCryptoAmount": None},
        {"actualCryptoAmount": 0},
        {"actualCryptoAmount": "much"},
        {"actualCryptoAmount": "0.0000000000000000001"},
        {"actualCryptoAmount": "0.4"},
        {"gasFee": None},
    ],
    ids=["missing", "zero", "no number", "too many decimals", "less than the fee", "fee missing"],
)
async def test_an_unreadable_amount_is_read_again_and_then_left_to_a_person(
    world: World, person: tuple[str, str, str], fields: dict[str, Any]
) -> None:
    user, top_up, recognition = person
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=recognition, **fields))
    waits = []
    for _ in range(3):
        assert world.state(top_up)["status"] == "created"
        row = world.rows("SELECT due_at, apply_after FROM provider_orders")[0]
        assert row["due_at"] < row["apply_after"]
        waits.append(row["apply_after"] - now())
        world.run("UPDATE provider_orders SET apply_after = now() - interval '1 second'")
        await apply_all()
    assert waits == sorted(waits)
    ended = world.state(top_up)
    assert (ended["status"], ended["reason"], ended["has_entry"]) == ("in_review", "amount_unreadable", False)
    assert world.open_cases() == ["in_review"]
    await keep_and_apply(order_of(1, 5, merchantRecognitionId=recognition))
    assert world.state(top_up)["status"] == "settled"
    assert world.balance(user) == (TEN, 0)
    assert world.open_cases() == []


async def test_a_reread_that_tells_the_amount_is_applied_at_once(
    world: World, person: tuple[str, str, str]
) -> None:
    user, _, recognition = person
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=recognition, actualCryptoAmount=None))
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=recognition))
    assert world.balance(user) == (TEN, 0)


@pytest.mark.parametrize("with_owner", [True, False])
@pytest.mark.parametrize(
    ("fields", "is_booked"),
    [
        ({}, True),
        ({"walletAddress": MATIC_ADDRESS.upper().replace("0X", "0x")}, True),
        ({"walletAddress": "0x" + "51" * 18 + "0002"}, False),
        ({"walletAddress": None}, False),
        ({"chainId": 1}, False),
        ({"chainId": 10}, False),
        ({"coinId": 83}, False),
        ({"coinId": 987654}, False),
        ({"coinId": None}, False),
    ],
    ids=[
        "ours",
        "other case",
        "other address",
        "no address",
        "address of another network",
        "test network",
        "disabled asset",
        "unknown coin",
        "no coin",
    ],
)
async def test_only_what_is_ours_enters_the_books(
    world: World, person: tuple[str, str, str], fields: dict[str, Any], *, is_booked: bool, with_owner: bool
) -> None:
    _, top_up, recognition = person
    await keep_and_apply(
        order_of(1, 4, merchantRecognitionId=recognition if with_owner else "nobody", **fields)
    )
    assert world.one("SELECT count(*) FROM ledger_transfers") == int(is_booked)
    if with_owner:
        assert world.state(top_up)["status"] == ("settled" if is_booked else "in_review")
        assert world.open_cases() == ([] if is_booked else ["in_review"])
    else:
        assert world.open_cases() == (["suspense"] if is_booked else ["not_ours"])


async def test_an_address_that_was_ours_when_the_top_up_was_created_is_ours(
    world: World, person: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, _, recognition = person
    monkeypatch.setenv("TREASURY_ADDRESSES", '{"matic20": [{"address": "0x' + "ab" * 20 + '"}]}')
    monkeypatch.setenv("ASSETS", '{"USDT": ["matic20"]}')
    get_settings.cache_clear()
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=recognition), order_of(2, 4))
    assert world.balance(user) == (TEN, 0)
    assert world.open_cases() == ["not_ours"]


@pytest.mark.parametrize(("rule", "minor"), [("actual", 105), ("actual_minus_gas", 100)])
async def test_the_rule_says_what_was_delivered(
    world: World, person: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch, rule: str, minor: int
) -> None:
    monkeypatch.setenv("ONRAMP_DELIVERED_RULE", rule)
    monkeypatch.setenv("ONRAMP_TOLERANCE_PERCENT", "5")
    get_settings.cache_clear()
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=person[2]))
    assert world.balance(person[0]) == (minor * 10**17, 0)


@pytest.mark.parametrize(("bought", "is_held"), [("10.7", False), ("10.700001", True)])
async def test_more_than_the_provider_expected_by_the_tolerance_is_held(
    world: World, person: tuple[str, str, str], bought: str, *, is_held: bool
) -> None:
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=person[2], actualCryptoAmount=bought))
    assert (world.balance(person[0])[1] > 0) == is_held


async def test_eighteen_decimals_and_large_amounts_are_exact(
    world: World, person: tuple[str, str, str]
) -> None:
    amounts = {"actualCryptoAmount": "123456789012.123456789012345678", "gasFee": "0.000000000000000001"}
    expected = {"expectedCryptoAmount": "123456789012.2"}
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=person[2], **amounts, **expected))
    # The network has six decimals: digits beyond them cannot have been sent.
    assert world.balance(person[0]) == (123456789012123457 * 10**12, 0)


@pytest.mark.parametrize(
    ("amount", "fee", "credited"),
    [
        ("11.030000000000001", "0", 11_030_000),
        ("11.280000000000001", "0.25", 11_030_000),
        ("11.0300004", "0", None),
        ("0.0000000000001", "0", None),
    ],
)
async def test_a_floats_tail_is_taken_off_and_noted(
    world: World, amount: str, fee: str, credited: int | None
) -> None:
    user = world.user()
    top_up = world.top_up(user, asset="USDC")
    amounts = {"actualCryptoAmount": amount, "gasFee": fee, "expectedCryptoAmount": "11.03", "coinId": 116}
    await keep(order_of(1, 4, merchantRecognitionId=recognition_id(world, top_up), **amounts))
    for _ in range(4):
        await apply_all()
        world.run("UPDATE provider_orders SET apply_after = now() WHERE apply_after IS NOT NULL")
    state = world.state(top_up)
    if credited is None:
        assert (state["status"], state["reason"]) == ("in_review", "amount_unreadable")
        return
    assert (state["status"], world.balance(user, "USDC")) == ("settled", (credited, 0))
    assert f"{'11.030000000000001'} was printed" in world.one("SELECT detail FROM top_up_steps")


async def test_the_same_read_again_is_no_news_whatever_its_sentence_said(
    world: World, person: tuple[str, str, str]
) -> None:
    _, top_up, recognition = person
    # The first step's text also mentions the rounding; the second read has nothing to mention.
    amounts = {"merchantRecognitionId": recognition, "actualCryptoAmount": "10.000000000000000001"}
    for printed in ("0xaa", "0xbb"):
        await keep_and_apply(
            order_of(1, 4, **amounts, gasFee="0.0000000000000000001", transactionHash=printed)
        )
    lines = world.rows("SELECT act, status_class, hold FROM top_up_steps WHERE top_up_id = %s", top_up)
    assert lines == [{"act": "read", "status_class": "delivered", "hold": None}]
    assert world.one("SELECT applied_version FROM provider_orders") == 2


async def test_each_line_says_in_columns_what_was_read_and_what_it_came_to(
    world: World, person: tuple[str, str, str]
) -> None:
    _, top_up, recognition = person
    for order_id, status, fields in (
        (1, 99, {}),
        (1, 2, {}),
        (1, 4, {}),
        (2, 4, {"actualCryptoAmount": "30.5"}),
    ):
        await keep_and_apply(order_of(order_id, status, merchantRecognitionId=recognition, **fields))
    lines = world.rows("SELECT top_up_id, act, status_class, hold FROM top_up_steps ORDER BY id")
    assert [
        (line["top_up_id"] == top_up, line["act"], line["status_class"], line["hold"]) for line in lines
    ] == [
        (True, "read", "unknown", None),
        (True, "read", "paid", None),
        (True, "read", "delivered", None),
        (True, "linked", "delivered", "over_delivery"),
        (False, "read", "delivered", "over_delivery"),
    ]
    assert world.open_cases() == ["held"]  # the case about the unknown status was closed


async def test_sell_orders_are_recorded_and_touch_nothing(world: World, person: tuple[str, str, str]) -> None:
    applied = await keep_and_apply(order_of(1, 4, flow=Flow.SELL, merchantRecognitionId=person[2]))
    assert applied.orders == 1
    assert world.state(person[1])["status"] == "created"
    assert world.one("SELECT count(*) FROM ledger_transfers") == 0


async def test_late_payments_together_are_held_at_the_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMITS", '{"currency": "USD", "none": {"per_day": "25"}}')
    get_settings.cache_clear()
    user = world.user()
    canceled = {"status": "canceled", "base_amount": Decimal(12), "base_currency": "USD"}
    recognitions = [recognition_id(world, world.top_up(user, **canceled)) for _ in range(3)]
    await keep_and_apply(*(order_of(n, 4, merchantRecognitionId=r) for n, r in enumerate(recognitions)))
    assert world.balance(user) == (2 * TEN, TEN)
    assert world.one("SELECT count(*) FROM top_ups WHERE reason = 'over_limit'") == 1


async def test_what_is_owed_is_recovered_from_the_next_delivery(
    world: World, person: tuple[str, str, str]
) -> None:
    user, top_up, recognition = person
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=recognition))
    row = world.one("SELECT id FROM provider_orders")
    delivery = instructions.Delivery(Environment.SIMULATOR, row, "1", "USDT", "matic20", MATIC_ADDRESS, TEN)
    cause = Cause(StepSource.OPERATOR, actor="operator", reason="spent")
    amount = instructions.UserAmount(Environment.SIMULATOR, user, "USDT", TEN // 2)
    await post_on_record([spend("spent-1", amount, cause=cause)])
    await post_on_record([instructions.reverse(delivery, user_id=user, top_up_id=top_up, cause=cause)])
    world.run("UPDATE top_ups SET status = 'reversed' WHERE id = %s", top_up)
    await keep_and_apply(order_of(2, 4, merchantRecognitionId=recognition_id(world, world.top_up(user))))
    assert world.balance(user) == (TEN // 2, 0)
    assert world.one("SELECT owed_minor FROM user_balances") == 0


async def test_poison_backs_off_becomes_a_case_and_harms_nobody(world: World) -> None:
    user = world.user()
    rows.keyless_program(world.owner, "shop", knows=user)
    rows.webhook_endpoint(world.owner, "shop")
    recognitions = [recognition_id(world, world.top_up(user)) for _ in range(24)]
    with psycopg.connect(world.database, autocommit=True) as owner:
        owner.execute("ALTER TABLE top_up_steps ADD CONSTRAINT poison CHECK (detail <> 'bought') NOT VALID")
    poisoned = set(range(0, 24, 8))
    await keep(
        *(
            order_of(n, 13 if n in poisoned else 4, merchantRecognitionId=recognition)
            for n, recognition in enumerate(recognitions)
        )
    )
    first = await apply_all()
    assert first.failed >= len(poisoned)
    assert world.balance(user) == (21 * TEN, 0)
    told = (
        "SELECT count(*) || ' ' || count(DISTINCT object) FROM outgoing_events WHERE type = 'top_up.settled'"
    )
    assert world.one(told) == "21 21", "each credit is told once, however often its batch was tried"
    waiting = world.rows("SELECT apply_after, apply_error FROM provider_orders WHERE apply_failures > 0")
    assert len(waiting) == len(poisoned)
    assert all(row["apply_after"] and "CheckViolation" in row["apply_error"] for row in waiting)
    for _ in range(apply.FAILURES_BEFORE_CASE - 1):
        world.run("UPDATE provider_orders SET apply_after = now() WHERE apply_failures > 0")
        await apply_all()
    assert world.open_cases() == ["apply_failed"] * len(poisoned)
    world.run("ALTER TABLE top_up_steps DROP CONSTRAINT poison")
    world.run("UPDATE provider_orders SET apply_after = now() WHERE apply_failures > 0")
    await apply_all()
    assert world.open_cases() == []
    assert world.one("SELECT count(*) FROM top_ups WHERE status = 'processing'") == len(poisoned)


async def test_control_where_orders_are_not_tried_apart_one_that_fails_keeps_all_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = world.user()
    world.run("ALTER TABLE top_up_steps ADD CONSTRAINT poison CHECK (detail <> 'bought') NOT VALID")
    recognitions = [recognition_id(world, world.top_up(user)) for _ in range(8)]
    await keep(
        *(order_of(n, 4 if n else 13, merchantRecognitionId=one) for n, one in enumerate(recognitions))
    )
    with monkeypatch.context() as patch:
        patch.setattr(apply, "_these", lambda _ids: select(OrderRecord).where(false()))
        await apply_some(DOCUMENTED)
    assert world.balance(user) == (0, 0)
    await apply_all()
    assert world.balance(user) == (7 * TEN, 0)


async def test_where_one_order_fails_the_next_are_applied_a_few_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = world.user()
    world.run("ALTER TABLE top_up_steps ADD CONSTRAINT poison CHECK (detail <> 'bought') NOT VALID")
    recognitions = [recognition_id(world, world.top_up(user)) for _ in range(120)]
    await keep(
        *(
            order_of(n, 4 if n % 24 else 13, merchantRecognitionId=recognition)
            for n, recognition in enumerate(recognitions)
        )
    )
    with log_lines(monkeypatch, level="warning") as output:
        async with world.running():
            await world.until(lambda: world.balance(user) == (115 * TEN, 0), seconds=30)
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    split = [line["count"] for line in lines if line["event"] == "orders are applied in halves"]
    assert split.count(apply.ORDERS_AT_ONCE) == 1


async def test_time_alone_ends_what_nobody_took_and_hands_over_what_nobody_knows(world: World) -> None:
    user = world.user()
    day, week = now() - timedelta(hours=25), now() - timedelta(days=8)
    unused = world.top_up(user, created_at=day)
    fresh = world.top_up(user)
    quiet = world.top_up(user, status="awaiting_payment", rank=10, created_at=week, updated_at=week)
    paid = world.top_up(user, status="processing", charged="yes", rank=30, created_at=week, updated_at=week)
    unknown = world.top_up(user, created_at=day)
    await keep_and_apply(order_of(1, 77, merchantRecognitionId=recognition_id(world, unknown)))
    world.run("UPDATE provider_orders SET class_since = %s", day)
    assert await run_clock() == 3
    statuses = [world.state(top_up)["status"] for top_up in (unused, fresh, quiet, paid, unknown)]
    assert statuses == ["expired", "created", "expired", "processing", "in_review"]
    assert world.state(unknown)["reason"] == "unknown_status"
    assert sorted(world.open_cases()) == ["in_review", "unknown_status"]
    assert await run_clock() == 0
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=recognition_id(world, unknown)))
    assert world.state(unknown)["status"] == "settled"
    assert world.open_cases() == []


async def test_a_read_that_is_older_than_what_is_known_changes_nothing(
    world: World, person: tuple[str, str, str]
) -> None:
    before = now()
    await keep(order_of(1, 4, merchantRecognitionId=person[2]))
    await keep(order_of(1, 2, merchantRecognitionId=person[2]), asked_at=before)
    assert world.one("SELECT status_class FROM provider_orders") == "delivered"


async def test_reading_the_same_again_changes_no_version(world: World, person: tuple[str, str, str]) -> None:
    order = order_of(1, 2, merchantRecognitionId=person[2])
    assert [await keep(order) for _ in range(3)] == [1, 0, 0]
    assert world.one("SELECT version FROM provider_orders") == 1


async def test_an_unreadable_record_is_one_case_however_often_it_is_read(world: World) -> None:
    for _ in range(3):
        await keep_unreadable(['{"orderId": null}'], environment=Environment.SIMULATOR, at=now())
    assert world.rows("SELECT kind, detail FROM exceptions") == [
        {"kind": "record_unreadable", "detail": '{"orderId": null}'}
    ]


async def test_one_that_fails_among_many_costs_few_transactions_and_later_none_of_theirs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, began = world.user(), []
    _count_calls(monkeypatch, apply, "transaction", began)
    world.run("ALTER TABLE top_ups ADD CONSTRAINT poison CHECK (status <> 'settled' OR fiat_amount <> 1313)")
    poison = world.top_up(user, fiat_amount=1313)
    await keep(order_of(0, 4, merchantRecognitionId=recognition_id(world, poison)))
    for first, orders, failed, most in ((1, 33, 1, 20), (33, 32, 0, 1)):
        ids = [recognition_id(world, world.top_up(user)) for _ in range(32)]
        await keep(*(order_of(first + n, 4, merchantRecognitionId=one) for n, one in enumerate(ids)))
        world.run("UPDATE provider_orders SET apply_after = now()")
        began.clear()
        applied = await apply_some(DOCUMENTED)
        assert (applied.orders, applied.failed) == (orders, failed)
        assert len(began) <= most
    assert world.balance(user) == (64 * TEN, 0)
    again = await retry_some(DOCUMENTED)
    assert (again.orders, again.failed) == (1, 1)


def _count_calls(patch: pytest.MonkeyPatch, module: Any, name: str, calls: list[str]) -> None:
    called = getattr(module, name)

    def counted(*values: Any, **named: Any) -> Any:
        calls.append(name)
        return called(*values, **named)

    patch.setattr(module, name, counted)
