"""All purchase scenarios run at once, and at the end each owner's page answers: was I charged?"""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onramp_app.config import get_settings
from tests.crediting.pages import CHARGED, IN_BALANCE, REVIEW, UNSURE, page_for
from tests.crediting.world import World


@dataclass(frozen=True)
class Ending:
    """How a scenario ends: the status, the page's title, and what it says about the payment."""

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
    # If the payment was seen earlier, the page says that it was received; here nobody can know.
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
_SCENARIOS, _CHAIN = "tests/crediting/test_scenarios.py", "tests/crediting/test_chain_scenarios.py"
_IN_WIZARD, _VERIFY = "tests/web/add_money", "tests/web/verify/test_verify.py"
_CREDITED = f"{_SCENARIOS}::test_what_was_delivered_is_credited_once"
_TOLD_OTHERWISE = f"{_SCENARIOS}::test_whatever_becomes_of_its_webhooks_what_was_delivered_is_credited_once"
_TOLD = f"{_VERIFY}::test_each_outcome_that_is_no_approval_is_told_on_the_open_page"
# The remaining scenarios, and the tests that compare what their pages say.
ELSEWHERE = {
    "delayed_webhook": _TOLD_OTHERWISE,
    "stale_timestamp": _TOLD_OTHERWISE,
    "rotated_key": f"{_SCENARIOS}::test_a_webhook_signed_with_either_secret_is_taken_while_rotating",
    "unknown_order": f"{_SCENARIOS}::test_an_order_of_nobody_goes_to_suspense",
    "unknown_status": f"{_SCENARIOS}::test_an_unknown_status_moves_nothing_and_makes_an_alarm",
    "over_limit": f"{_SCENARIOS}::test_what_may_not_be_used_yet_is_held",
    "settled_then_failed": f"{_SCENARIOS}"
    "::test_an_order_that_fails_after_it_settled_stays_settled_with_a_case",
    "late_after_cancel": f"{_SCENARIOS}::test_a_late_payment_is_credited",
    "begun_long_ago": "tests/crediting/test_late_hints.py"
    "::test_an_order_of_45_days_ago_is_settled_within_seconds_of_its_webhook",
    "chain_same_hash": f"{_CHAIN}::test_one_transfer_credits_one_order",
    "chain_away": f"{_CHAIN}::test_the_servers_may_be_away",
    "api_down": f"{_IN_WIZARD}/test_choosing.py::test_a_provider_that_is_away_is_said_before_anybody_pays",
    "api_slow": f"{_IN_WIZARD}/test_choosing.py::test_a_late_answer_does_not_overwrite_what_was_typed_since",
    "rate_limited": _CREDITED,
    "clock_skew": _CREDITED,
    "history_lags": _CREDITED,
    "short_pages": "tests/crediting/test_late_hints.py"
    "::test_orders_on_the_third_of_pages_that_are_capped_at_20_are_settled_by_reading",
    "plain_400": f"{_IN_WIZARD}/test_limit_words.py::test_a_refusal_in_words_only_is_told_in_ours",
    "node_out_of_sync": f"{_IN_WIZARD}/test_choosing.py"
    "::test_a_network_that_is_out_of_sync_is_greyed_with_the_reason",
    "kyc_rejected": _TOLD,
    "kyc_resubmit": _TOLD,
    "kyc_slow": _TOLD,
    "vocabulary": "tests/simulator/test_browser.py::test_a_scenario_chooses_the_vocabulary",
}


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


def test_no_scenario_is_forgotten(project_dir: Path) -> None:
    from onramp_app.simulator.scenarios import KINDS

    assert set(KINDS) == (set(ENDINGS) - {"none"}) | set(ELSEWHERE)
    for name, proof in ELSEWHERE.items():
        file, _, function = proof.partition("::")
        source = (project_dir / file).read_text()
        assert f'"{name}"' in source, f"{file} does not run {name}"
        assert f"def {function}(" in source, proof
