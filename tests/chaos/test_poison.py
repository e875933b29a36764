"""Some orders cannot be applied: the others settle as usual, and a replay settles the poisoned ones."""

import asyncio
import itertools
import threading
from pathlib import Path

import pytest

from onramp_app.crediting.apply import FAILURES_BEFORE_CASE
from onramp_app.operators.mandate import Mandate
from onramp_app.provider_orders.webhooks import replay_event
from tests.chaos.fleet import running_fleet
from tests.chaos.payments import in_words, paid, percentile
from tests.crediting.world import World
from tests.databases import in_settings
from tests.people import operator_code

OTHERS_WITHIN_SECONDS = 2
POISONED_AMOUNT = 1313
POISONED = f"SELECT count(*) FROM top_ups WHERE status = 'settled' AND fiat_amount = {POISONED_AMOUNT}"
WEBHOOKS = (
    "SELECT e.id FROM webhook_events e JOIN provider_orders o ON o.order_id = e.order_id"
    " JOIN top_ups t ON t.id = coalesce(o.top_up_id, o.hinted_top_up_id)"
    f" WHERE t.fiat_amount = {POISONED_AMOUNT}"
)


@pytest.mark.full
async def test_fifty_poisoned_orders_among_a_thousand_harm_no_other_and_are_credited_once_by_a_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, turns = itertools.count(), threading.Lock()

    def open_order(world: World) -> int:
        with turns:
            poisoned = next(turn) % 20 == 0
        return world.open_order(
            world.top_up(world.user(), **({"fiat_amount": POISONED_AMOUNT} if poisoned else {}))
        )

    with running_fleet(tmp_path, monkeypatch) as fleet:
        world = World(fleet.database.url, fleet.provider)
        world.run(
            "ALTER TABLE top_ups ADD CONSTRAINT poison CHECK"
            f" (status <> 'settled' OR fiat_amount <> {POISONED_AMOUNT})"
        )
        async with paid(world, 1_000, a_second=20, open_order=open_order, most_open=50) as payments:
            pass
        delays = await payments.delays_of_webhooks()
        print(f"beside the poison, {payments.a_second:.0f} a second: {in_words(delays)}")  # noqa: T201 - the figures
        assert len(delays) == 950
        failed = "SELECT count(*) FROM provider_orders WHERE apply_failures >= %s"
        await world.until(lambda: world.one(failed, FAILURES_BEFORE_CASE) == 50, seconds=60)
        assert world.open_cases() == ["apply_failed"] * 50
        world.run("ALTER TABLE top_ups DROP CONSTRAINT poison")
        async with in_settings(fleet.database.url, monkeypatch):
            await _replay_each(world)
            # Sooner than the backoff after the last failure would allow.
            await world.until(lambda: world.one(POISONED) == 50, seconds=10)
            await _replay_each(world)
            await asyncio.sleep(5)
            assert await world.findings() == set()
        assert world.one("SELECT count(*) FROM ledger_transfers WHERE kind = 'receive'") == 1_000
        assert world.open_cases() == []
        world.owner.close()
    assert percentile(delays, 99) <= OTHERS_WITHIN_SECONDS


async def _replay_each(world: World) -> None:
    """Replay the webhooks of the poisoned orders, as an operator does."""
    operator = world.user(role="operator")
    for row in world.rows(WEBHOOKS):
        code = operator_code(world.owner, operator)
        await replay_event(row["id"], mandate=Mandate(f"{operator}@example.org", "the cause is gone", code))
