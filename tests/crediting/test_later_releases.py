"""A later release understands more of a record that the provider never changes again, and applies it."""

from datetime import timedelta
from typing import Any

import pytest

from onramp_app.config import get_settings
from onramp_app.crediting.reconciliation import reconcile
from onramp_app.domain.clock import now
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.provider_orders import records
from onramp_app.providers import status
from onramp_app.providers.connection import get_provider
from onramp_app.providers.onramp import orders
from onramp_app.providers.status import StatusClass
from onramp_app.review.attribution import preview
from onramp_app.top_ups.moves import run_clock
from tests.crediting.reads import apply_all, keep, keep_and_apply, order_of, recognition_id
from tests.crediting.world import World

TEN = 10 * 10**18
WHOLE = {
    "referenceId": "ref-1",
    "transactionHash": "0x" + "ab" * 32,
    "expectedPrice": "90.10",
    "actualPrice": 90.123456789,
    "expectedCryptoAmount": "10.500000000000000000001",
    "onRampFee": "2.50",
    "clientFee": 0,
    "gatewayFee": "1.00",
    "kycNeeded": 1,
    "createdAt": "2026-03-01T12:00:00.123Z",
}


@pytest.fixture
def person(world: World) -> tuple[str, str, str]:
    """The ids of a user and one of their top-ups, and its recognition id."""
    user = world.user()
    top_up = world.top_up(user)
    return user, top_up, recognition_id(world, top_up)


def _knows(patch: pytest.MonkeyPatch, number: int, meaning: StatusClass) -> None:
    """Teach the application the meaning of a status, as a later release would."""
    patch.setitem(status._BUY_CLASSES, number, meaning)


def _money(world: World) -> list[Any]:
    return [
        world.rows(f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in ("top_ups", "top_up_steps", "ledger_transfers", "ledger_entries", "outbox_mails")
    ]


async def test_a_delivery_whose_status_was_not_known_is_credited(
    world: World, person: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, top_up, recognition = person
    order = {"order_id": 1, "status": 17, "merchantRecognitionId": recognition}
    await keep_and_apply(order_of(**order))
    await keep_and_apply(order_of(**order))
    assert (world.balance(user), world.open_cases()) == ((0, 0), ["unknown_status"])
    _knows(monkeypatch, 17, StatusClass.DELIVERED)
    await keep_and_apply(order_of(**order))
    assert (world.balance(user), world.state(top_up)["status"]) == ((TEN, 0), "settled")
    assert world.open_cases() == []
    assert await keep(order_of(**order)) == 0


async def test_a_review_for_a_status_that_was_not_known_ends_so_too(
    world: World, person: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, top_up, recognition = person
    order = {"order_id": 1, "status": 17, "merchantRecognitionId": recognition}
    await keep_and_apply(order_of(**order))
    assert await run_clock(now() + timedelta(hours=25)) == 1
    assert (world.state(top_up)["reason"], sorted(world.open_cases())) == (
        "unknown_status",
        ["in_review", "unknown_status"],
    )
    _knows(monkeypatch, 17, StatusClass.DELIVERED)
    await keep_and_apply(order_of(**order))
    assert (world.balance(user), world.state(top_up)["status"]) == ((TEN, 0), "settled")
    assert world.open_cases() == []


async def test_what_was_paid_in_a_currency_that_was_not_known_can_be_attributed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = world.user()
    with monkeypatch.context() as earlier:
        earlier.setattr(orders, "currency_of_fiat_type", lambda _: None)
        await keep_and_apply(order_of(1, 4))
        with pytest.raises(ActionNotPossible, match="does not say what was paid"):
            await preview("1", user)
    await keep_and_apply(order_of(1, 4))
    assert (await preview("1", user)).amount == "10"
    assert world.open_cases() == ["suspense"]


async def test_what_is_settled_is_not_disturbed_where_more_is_read_in_its_record(
    world: World, person: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, recognition = person
    with monkeypatch.context() as earlier:
        earlier.setattr(orders, "currency_of_fiat_type", lambda _: None)
        await keep_and_apply(order_of(1, 4, merchantRecognitionId=recognition))
    before = _money(world)
    assert await keep(order_of(1, 4, merchantRecognitionId=recognition)) == 1
    assert (await apply_all()).failed == 0
    assert world.one("SELECT fiat_currency FROM provider_orders") == "INR"
    assert (_money(world), world.open_cases()) == (before, [])


@pytest.mark.parametrize("word", [4, 17, "ON_CHAIN_COMPLETED"])
async def test_a_whole_record_that_is_read_again_changes_no_version(
    world: World, person: tuple[str, str, str], word: Any
) -> None:
    order = order_of(1, word, merchantRecognitionId=person[2], **WHOLE)
    assert [await keep(order) for _ in range(3)] == [1, 0, 0]
    assert world.one("SELECT version FROM provider_orders") == 1
    row = world.rows("SELECT * FROM provider_orders")[0]
    assert {name for name in records._SHOWN if row[name] is None} <= {"status_number", "status_text"}


async def test_an_order_that_the_reader_passes_by_is_read_again_by_reconciling(
    world: World, person: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONRAMP_DELIVERED_RULE", "actual")  # An order of unknown status has no fee yet.
    get_settings.cache_clear()
    user, top_up, _ = person
    world.simulator.move(world.open_order(top_up), 17, actualCryptoAmount="10")
    since = now() - timedelta(hours=1)
    await reconcile(get_provider(), since=since)
    assert (world.balance(user), world.open_cases()) == ((0, 0), ["unknown_status"])
    _knows(monkeypatch, 17, StatusClass.DELIVERED)
    found = await reconcile(get_provider(), since=since)
    assert (found.changed_by_reading, found.drifts) == (1, ())
    assert (world.state(top_up)["status"], world.open_cases()) == ("settled", [])
