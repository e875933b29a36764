"""Spans and log lines reach a configured collector; even one that is down changes nothing else."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import structlog

from onramp_app.config import Settings, load_settings
from onramp_app.telemetry import collector as module
from onramp_app.telemetry import trace
from onramp_app.telemetry.collector import collected
from onramp_app.telemetry.faults import Fault
from tests.collector import Collector, running_collector
from tests.log_lines import log_lines


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


def told(url: str | None) -> Settings:
    return load_settings(otel_exporter_otlp_endpoint=url)


def work() -> None:
    with trace.span("outer", top_up_id="t1"), trace.span("inner"):
        structlog.get_logger("money").warning("credited", order_id="8812", note="password=canary-word")


async def test_spans_and_lines_arrive_with_their_trace_and_without_secrets(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with log_lines(monkeypatch, level="info"):
        async with collected(told(collector.url), role="worker"):
            work()
    inner, outer = sorted(collector.spans, key=lambda span: span.name)
    assert (outer.name, outer.parent, outer.values) == ("outer", "", {"top_up_id": "t1"})
    assert (inner.name, inner.parent, inner.trace) == ("inner", outer.span, outer.trace)
    (line,) = (line for line in collector.lines if line.name == "credited")
    assert line.trace == outer.trace
    assert (line.values["level"], line.values["order_id"]) == ("warning", "8812")
    assert "canary-word" not in str(line)
    for one in (inner, line):
        assert (one.resource["service.name"], one.resource["onramp_app.role"]) == ("onramp_app", "worker")


async def test_without_the_setting_nothing_is_sent(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
    with log_lines(monkeypatch, level="info"):
        async with collected(told(None), role="worker"):
            work()
    assert (collector.spans, collector.lines) == ([], [])


def test_without_the_setting_the_sdk_is_not_imported() -> None:
    code = (
        "import onramp_app.__main__, sys;"
        "sdk = ('opentelemetry.sdk', 'opentelemetry.exporter');"
        "print([name for name, module in sys.modules.items() if module and name.startswith(sdk)])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.fixture(autouse=True)
def _no_thread_of_the_sdk_stays() -> Iterator[None]:
    """Wait for threads left by a collector that is down, or they would write to the next test's log."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("OtelBatch"):
            thread.join(20)
            assert not thread.is_alive()


@pytest.mark.parametrize("is_silent", [True, False])
async def test_a_collector_that_is_away_costs_neither_time_nor_lines(
    monkeypatch: pytest.MonkeyPatch, is_silent: bool
) -> None:
    fault = Fault("collector_of_test", lasts="the collector takes nothing", is_over="it takes again")
    monkeypatch.setattr(module, "SEND_SECONDS", 0.2)
    monkeypatch.setattr(module, "SEND_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.4)
    with socket.socket() as nobody, log_lines(monkeypatch, level="info") as output:
        monkeypatch.setattr(module, "_away", fault)
        nobody.bind(("127.0.0.1", 0))
        if is_silent:
            nobody.listen()
        async with collected(told(f"http://127.0.0.1:{nobody.getsockname()[1]}"), role="instance"):
            began = time.monotonic()
            for _ in range(module.MOST_WAITING + 1000):
                with trace.span("credit"):
                    pass
            took = time.monotonic() - began
            async with asyncio.timeout(20):
                while "takes nothing" not in output.getvalue():  # noqa: ASYNC110 - another thread writes it
                    await asyncio.sleep(0.02)
            ending = time.monotonic()
        assert time.monotonic() - ending < 3, "the SDK itself would wait for half a minute"
    assert took < 5, "a try for each would take twenty minutes"
    events = [json.loads(line)["event"] for line in output.getvalue().splitlines()]
    assert events.count("the collector takes nothing") == 1
    assert len(events) < 5, "not a line for each"
