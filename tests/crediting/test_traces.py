"""One trace leads from a webhook to the credit, and each step of the top-up is one line in the log."""

import json
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from onramp_app.config import get_settings
from onramp_app.fleet import changed_people
from onramp_app.telemetry import trace
from onramp_app.telemetry.collector import collected
from onramp_app.telemetry.trace import Span
from tests.collector import running_collector
from tests.crediting.world import World
from tests.log_lines import log_lines


@pytest.fixture
def spans() -> Iterator[list[Span]]:
    found: list[Span] = []
    trace.add_sink(found.append)
    yield found
    trace.remove_sink(found.append)


def _credits() -> float:
    return REGISTRY.get_sample_value("credit_seconds_count", {"into": "available"}) or 0


async def test_a_webhook_its_read_and_its_credit_are_one_trace(
    world: World, spans: list[Span], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONRAMP_POLL_SECONDS", "3600")
    get_settings.cache_clear()
    user = world.user(email="asha@example.org")
    top_up = world.top_up(user)
    before = _credits()
    with log_lines(monkeypatch, level="info") as output:
        async with world.running():
            # After the first reads, only a webhook triggers another.
            await world.is_read_once()
            await world.until(lambda: world.rows("SELECT FROM history_walks WHERE fiat_type = 1"))
            order = world.open_order(top_up)
            world.simulator.move(order, 4)
            await world.ends(top_up, "settled")
            # An order is credited while the read continues, so either span may end first.
            await world.until(lambda: {"credit", "read"} <= {span.name for span in spans})
            await world.until(lambda: world.one("SELECT count(*) FROM provider_orders WHERE trace IS NULL"))
    (credit,) = (span for span in spans if span.name == "credit")
    assert credit.values == {"into": "available", "top_up_id": top_up, "order_id": str(order)}
    told = world.rows("SELECT trace FROM webhook_events WHERE trace LIKE %s", f"%{credit.trace.trace_id}%")
    assert len(told) == 1
    of_it = {span.name for span in spans if span.trace.trace_id == credit.trace.trace_id}
    assert of_it >= {"webhook", "inbox", "read", "credit"}
    assert all(span.ended_ns >= span.began_ns for span in spans)
    assert _credits() == before + 1
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    (line,) = (line for line in lines if line["event"] == "credited")
    assert (line["top_up_id"], line["order_id"]) == (top_up, str(order))
    assert line["trace_id"] == credit.trace.trace_id
    steps = [line for line in lines if line["event"] == "top-up step"]
    assert len(steps) == world.one("SELECT count(*) FROM top_up_steps WHERE top_up_id = %s", top_up)
    assert all(line["top_up_id"] == top_up and line["trace_id"] for line in steps)
    assert steps[-1]["status"] == "settled"
    assert not any(word in output.getvalue() for word in (user, "asha"))


async def test_what_is_rolled_back_is_no_step_and_no_credit(
    world: World, spans: list[Span], monkeypatch: pytest.MonkeyPatch
) -> None:
    top_up = world.top_up(world.user())
    world.simulator.move(world.open_order(top_up), 4)
    world.run("ALTER TABLE ledger_transfers ADD CONSTRAINT none CHECK (false)")
    with log_lines(monkeypatch, level="info") as output:
        async with world.running():
            await world.until(
                lambda: world.one("SELECT count(*) FROM provider_orders WHERE apply_failures > 0")
            )
    assert '"order cannot be applied"' in output.getvalue()
    assert '"top-up step"' not in output.getvalue()
    assert '"credited"' not in output.getvalue()
    assert "credit" not in {span.name for span in spans}


@pytest.mark.parametrize("text", ["", "a", "a/b/1", f"{'a' * 32}/00-{'a' * 32}-{'b' * 16}-01/-1"])
def test_what_is_no_announced_credit_is_left_out(text: str) -> None:
    assert changed_people.credit_of(text) is None


async def test_the_collector_gets_the_whole_trace(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONRAMP_POLL_SECONDS", "3600")
    top_up = world.top_up(world.user())
    with running_collector() as collector, log_lines(monkeypatch, level="info") as output:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        get_settings.cache_clear()
        async with collected(get_settings(), role="instance"), world.running():
            await world.is_read_once()
            world.simulator.move(world.open_order(top_up), 4)
            await world.ends(top_up, "settled")
            await world.until(lambda: '"credited"' in output.getvalue())
    (credit,) = (span for span in collector.spans if span.name == "credit")
    whole = [span for span in collector.spans if span.trace == credit.trace]
    (webhook,) = (span for span in whole if span.name == "webhook")
    assert {span.name: span.parent for span in whole} == {"webhook": ""} | dict.fromkeys(
        ("inbox", "read", "credit"), webhook.span
    )
    assert "credited" in {line.name for line in collector.lines if line.trace == credit.trace}
