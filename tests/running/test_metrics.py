"""The system gauges are read at each scrape, and never prevent the other metrics from being served."""

import asyncio
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from onramp_app.config import get_settings
from onramp_app.db.migrate import latest_revision
from onramp_app.domain.ids import new_id
from onramp_app.ledger.assets import enable_assets
from onramp_app.local.pages import made_of
from onramp_app.local.release import running_commit
from onramp_app.running import metrics
from tests import rows
from tests.built_pages import written
from tests.running.test_health import held

Found = dict[tuple[str, ...], float]


@pytest.fixture(autouse=True)
def _forget() -> None:
    metrics.forget()


async def scraped() -> Found:
    text = (await metrics.exposition()).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@contextmanager
def owner_of(database: str) -> Iterator[rows.Owner]:
    with psycopg.connect(database, autocommit=True) as owner:
        yield owner


async def test_what_is_open_is_told_by_state_and_age(database: str) -> None:
    ago = datetime.now(UTC) - timedelta(hours=2)
    await enable_assets()
    with owner_of(database) as owner:
        user = rows.user(owner)
        for status, created_at in (("created", ago), ("processing", datetime.now(UTC)), ("expired", ago)):
            rows.top_up(owner, user, status=status, created_at=created_at)
        held_up = rows.top_up(owner, user, status="in_review", reason="name_mismatch", charged="yes")
        rows.insert(
            owner,
            "exceptions",
            id=new_id(),
            environment="simulator",
            kind="in_review",
            top_up_id=held_up,
            detail="",
            opened_at=ago,
        )
        rows.debit(owner, user, is_hold=True, expires_at=ago, status="held", posted_minor=0, created_at=ago)
        rows.webhook_endpoint(owner, "shop", disabled_at=ago, disabled_because="gone")
        rows.outgoing_delivery(owner, rows.webhook_endpoint(owner, "shop"), user, due_at=ago)
    found = await scraped()
    assert found["top_ups_open", "1d", "created"] == found["top_ups_open", "10m", "processing"] == 1
    assert not any("expired" in labels for labels in found)
    assert 7200 <= found["top_ups_open_oldest_age_seconds", "created"] < 7300
    assert found["cases_open", "1d", "in_review"] == 1
    assert 7200 <= found["cases_open_oldest_age_seconds", "in_review"] < 7300
    assert found["database_up",] == 1
    assert found["database_pool_connections", "in_use"] == 0
    assert found["debit_holds_open",] == 1
    assert 7200 <= found["debit_holds_overdue_age_seconds",] < 7300
    assert found["outgoing_webhooks_waiting",] == 1
    assert 7200 <= found["outgoing_webhooks_overdue_age_seconds",] < 7300
    assert found["webhook_endpoints_unwell", "disabled"] == 1
    assert found["backlog_waiting", "webhooks"] == found["backlog_age_seconds", "webhooks"] == 0


async def test_the_gauge_of_the_alert_falls_when_no_process_reads(database: str) -> None:
    assert (await scraped())["reader_lease_held",] == 0
    held(database, until="4 s", worked="-75 s")
    metrics.forget()
    found = await scraped()
    assert found["reader_lease_held",] == 1
    assert 75 <= found["reader_read_age_seconds",] < 80
    held(database, until="-1 s", worked="-75 s")
    metrics.forget()
    assert (await scraped())["reader_lease_held",] == 0


@pytest.mark.parametrize("is_silent", [True, False])
@pytest.mark.usefixtures("database")
async def test_a_database_that_does_not_answer_takes_its_gauges_along_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, is_silent: bool
) -> None:
    monkeypatch.setattr(metrics, "READ_SECONDS", 0.3)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        if is_silent:
            nobody.listen()  # Connections succeed, and nothing is ever sent on them.
        monkeypatch.setenv("DATABASE_URL", f"postgresql://a@127.0.0.1:{nobody.getsockname()[1]}/b")
        get_settings.cache_clear()
        began = time.monotonic()
        found = await scraped()
    assert time.monotonic() - began < 1
    assert found["database_up",] == 0
    assert not any(name[0].startswith(("top_ups_open", "reader_lease_held")) for name in found)
    assert any(name[0] == "webhook_store_seconds_count" for name in found)


@pytest.mark.usefixtures("database")
async def test_many_scrapes_at_once_read_the_database_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    read = metrics._read_system

    async def counted() -> list[metrics.Metric]:
        nonlocal reads
        reads += 1
        return await read()

    monkeypatch.setattr(metrics, "_read_system", counted)
    await asyncio.gather(*(metrics.exposition() for _ in range(20)))
    assert reads == 1


def _checkout(folder: Path) -> Path:
    folder.mkdir()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.io"]
    (folder / "code").write_text("1")
    for arguments in (["init", "-q"], ["add", "code"], ["commit", "-qm", "One"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    return folder


def test_the_commit_is_that_of_the_build_or_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, settings = _checkout(tmp_path / "project"), get_settings()
    assert re.fullmatch("[0-9a-f]{40}", head := running_commit(settings, project=project, pages=tmp_path))
    (project / "code").write_text("2")
    assert running_commit(settings, project=project, pages=tmp_path) == f"{head}+changed"
    # A release without a repository gets the commit from its pages' build, or from the builder's variable.
    shutil.rmtree(project / ".git")
    assert running_commit(settings, project=project, pages=tmp_path) == ""
    monkeypatch.setenv("SOURCE_COMMIT", "built from this")
    assert running_commit(settings, project=project, pages=tmp_path) == "built from this"
    build = written(tmp_path, made_of(settings, project), {})
    replace(build, commit="abc").finish()
    assert running_commit(settings, project=project, pages=tmp_path) == "abc"


@pytest.mark.usefixtures("database")
async def test_a_process_names_its_release() -> None:
    (build,) = [labels for labels in await scraped() if labels[0] == "build_info"]
    assert latest_revision() in build
    assert len(build) == 5
