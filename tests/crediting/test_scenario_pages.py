"""Every scenario of a purchase at once, and what the page of its owner says at the end: was I charged?"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

import pytest

from onramp_app.config import get_settings
from tests.crediting.pages import CHARGED, IN_BALANCE, REVIEW, UNSURE, page_for
from tests.crediting.world import World


@dataclass(frozen=True)
class Ending:
    """How a scenario ends: the state, the page's title, and words of what it says about the payment."""

    status: str
    title: str
    charged: str
    reason: str | None = None
    value: Any = None
    steps: tuple[int, ...] = (1, 2, 4)


SETTLED = Ending("settled", IN_BALANCE, CHARGED)
ENDINGS: dict[str, Ending] = {
    "none": SETTLED,
    "lost_webhook": SETTLED,
    "duplicate_webhooks": SETTLED,
    "out_of_order": SETTLED,
    "forged_signature": SETTLED,
    "header_without_body": SETTLED,
    "header_is_body": SETTLED,
    "body_differs": SETTLED,
    "short_delivery": SETTLED,
    "second_payment": SETTLED,
    "late_payment": Ending("settled", IN_BALANCE, CHARGED, steps=(1, 2)),
    # Where the payment was seen before, the page says that it was received; here nobody can know.
    "amount_mismatch": Ending("in_review", REVIEW, UNSURE, reason="amount_mismatch", steps=(1, 4)),
    "name_mismatch": Ending("in_review", REVIEW, UNSURE, reason="name_mismatch", steps=(1, 4)),
    "over_delivery": Ending("in_review", REVIEW, CHARGED, reason="over_delivery"),
    "wrong_address": Ending("in_review", REVIEW, CHARGED, reason="wrong_address"),
    "wrong_asset": Ending("in_review", REVIEW, CHARGED, reason="wrong_asset"),
    "chain_differs": SETTLED,
    "chain_slow": Ending("settled", IN_BALANCE, CHARGED, value="0.5"),
    "chain_missing": Ending("in_review", REVIEW, CHARGED, reason="chain_missing", value="failed"),
    "chain_reorganised": SETTLED,
}
# Their pages are compared in tests/crediting/test_scenarios.py and test_chain_scenarios.py.
ELSEWHERE = frozenset(
    {
        "unknown_order",
        "unknown_status",
        "over_limit",
        "late_after_cancel",
        "begun_long_ago",
        "delayed_webhook",
        "stale_timestamp",
        "settled_then_failed",
        "rotated_key",
        "chain_same_hash",
    }
)


async def test_every_scenario_ends_as_the_contract_says_and_is_said_in_words(
    world: World, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    monkeypatch.setenv("CHAIN_RPC", f'{{"matic20": ["{world.simulator.base}/chain/matic20"]}}')
    monkeypatch.setenv("CHAIN_CONFIRMATIONS", '{"matic20": 4}')
    get_settings.cache_clear()
    begun: dict[str, tuple[str, str]] = {}
    async with world.running():
        orders: dict[str, int] = {}
        for name, ending in ENDINGS.items():
            user = world.user()
            top_up = world.top_up(user)
            begun[name] = user, top_up
            orders[name] = order = world.open_order(top_up)
            if name != "none":
                world.simulator.scenario(name, order_id=order, value=ending.value)
        for status in (1, 2, 4):
            for name, order in orders.items():
                if status in ENDINGS[name].steps:
                    await asyncio.to_thread(world.simulator.move, order, status)
        wanted = {begun[name][1]: ending.status for name, ending in ENDINGS.items()}
        names = {top_up: name for name, (_, top_up) in begun.items()}

        def others() -> dict[str, str]:
            now = {row["id"]: row["status"] for row in world.rows("SELECT id, status FROM top_ups")}
            return {names[one]: now[one] for one, status in wanted.items() if now[one] != status}

        with contextlib.suppress(AssertionError):
            await world.until(lambda: not others(), seconds=25)
        assert others() == {}
        for name, ending in ENDINGS.items():
            with subtests.test(name):
                user, top_up = begun[name]
                page = await page_for(user, top_up)
                assert world.state(top_up)["reason"] == ending.reason
                assert page.title == ending.title
                assert ending.charged in page.charged
                assert page.happened
                assert page.charged
                assert page.next


def test_no_scenario_of_an_order_is_forgotten() -> None:
    from onramp_app.simulator.scenarios import KINDS

    known = {name for name, kind in KINDS.items() if kind.area in ("webhook", "order")}
    assert known == (set(ENDINGS) - {"none"}) | ELSEWHERE
