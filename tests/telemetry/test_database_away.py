"""While the database is down, the loops of instance and worker log one line, however often they retry."""

import asyncio
import io
import json
import socket
from collections.abc import Iterator

import pytest

from onramp_app.config import get_settings
from onramp_app.db import direct, engine
from onramp_app.fleet import watch
from onramp_app.fleet.watch import background_tasks, keep_running
from onramp_app.running import metrics
from onramp_app.telemetry.faults import Fault
from onramp_app.web.tabs import push
from tests.fleet.test_push import FakeApp
from tests.log_lines import log_lines

TRY_EVERY_SECONDS = 0.02


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    with log_lines(monkeypatch, level="info") as output:
        yield output


@pytest.fixture(autouse=True)
async def _away(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Fault("database_of_test", lasts="the database is away", is_over="the database answers again")
    monkeypatch.setattr(direct, "database_away", fault)
    monkeypatch.setattr(push, "_RETRY_SECONDS", TRY_EVERY_SECONDS)
    monkeypatch.setattr(push, "LOOK_EVERY_SECONDS_WHILE_AWAY", TRY_EVERY_SECONDS)
    monkeypatch.setattr(watch, "FIRST_WAIT_SECONDS", TRY_EVERY_SECONDS)
    monkeypatch.setattr(watch, "AWAY_WAIT_SECONDS", TRY_EVERY_SECONDS)
    await engine.dispose()


async def try_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("DATABASE_URL", f"postgresql://a@127.0.0.1:{nobody.getsockname()[1]}/b")
        get_settings.cache_clear()

        async def work() -> None:
            await metrics._read_system()

        app = FakeApp()
        async with background_tasks(
            push.keep_tabs_current(app),  # type: ignore[arg-type]
            *(keep_running(f"loop {n}", work, within_seconds=5) for n in range(4)),
        ):
            await asyncio.sleep(0.6)
    await engine.dispose()


async def test_it_is_said_once(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    await try_again_and_again(monkeypatch)
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [one["event"] for one in found if one["event"] == "the database is away"] == [
        "the database is away"
    ]
    assert [one for one in found if "exception" in one] == []
    assert len(found) <= 3, found  # including the lines from the pages' loop


async def test_a_line_for_each_failure_would_be_noticed(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onramp_app.telemetry.faults.SAY_EVERY_SECONDS", 0.0)
    await try_again_and_again(monkeypatch)
    assert lines.getvalue().count('"the database is away"') > 20
