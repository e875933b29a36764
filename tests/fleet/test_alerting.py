"""The alerts fire in a real Prometheus, set up as in docs/operations.md, when the worker is stopped."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.fleet.conftest import METRICS_TOKEN
from tests.fleet.releases import Place
from tests.fleet.test_dashboards import alerts
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.served import served
from tests.simulator.process import Process

pytestmark = pytest.mark.full

# As docs/operations.md promises: one minute and at most three scrapes 15 s apart; and 10 s of tolerance.
FIRES_WITHIN_SECONDS = 60 + 3 * 15 + 10


def _configuration(project: Path, targets: dict[str, list[str]]) -> str:
    """Return the page's example configuration with the tests' token and these targets."""
    page = (project / "docs" / "operations.md").read_text()
    (example,) = re.findall(r"```yaml\n(global:.*?)```", page, re.DOTALL)
    given = yaml.safe_load(example)
    assert given["rule_files"] == ["alerts.yml"]
    for job in given["scrape_configs"]:
        job["authorization"]["credentials"] = METRICS_TOKEN
        job["static_configs"] = [{"targets": targets.pop(job["job_name"])}]
    assert not targets
    return yaml.safe_dump(given)


@contextmanager
def _prometheus(project: Path, folder: Path, targets: dict[str, list[str]]) -> Iterator[httpx.Client]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus on the PATH: it is Debian's package of that name")
    folder.mkdir()
    shutil.copy(project / "deploy" / "prometheus" / "alerts.yml", folder)
    (folder / "prometheus.yml").write_text(_configuration(project, targets))
    address = f"127.0.0.1:{free_port()}"
    options = {"config.file": "prometheus.yml", "storage.tsdb.path": "data", "web.listen-address": address}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, *(f"--{name}={value}" for name, value in options.items())],
            cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://{address}") as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)


def _asked(client: httpx.Client, path: str) -> Any:
    try:
        return client.get(f"/api/v1/{path}").raise_for_status().json()["data"]
    except httpx.HTTPError:
        return None


def _until(found: Callable[[], object], *, seconds: float) -> float:
    began = time.monotonic()
    while not found():
        assert time.monotonic() - began < seconds
        time.sleep(0.5)
    return time.monotonic() - began


def test_a_stopped_worker_makes_its_alerts_fire(
    database: str, project_dir: Path, tmp_path: Path, simulator_process: Process
) -> None:
    redis = RedisServer()
    redis.start()
    given = {
        "REDIS_URL": redis.url, "METRICS_TOKEN": METRICS_TOKEN, "ONRAMP_API_URL": simulator_process.base
    }  # fmt: skip
    settings = {**os.environ, **given, "APP_ENV": "test", "DATABASE_URL": database}
    worker = Place("worker", settings, tmp_path / "log")
    try:
        with served(database, BACKGROUND_WORK="off", **given) as one, served(
            database, BACKGROUND_WORK="off", **given
        ) as other:  # fmt: skip
            worker.start(project_dir)
            targets = {
                "onramp_app": [url.removeprefix("http://") for url in (one, other)],
                "onramp_app_worker": [f"127.0.0.1:{worker.port}"],
            }
            with _prometheus(project_dir, tmp_path / "prometheus", targets) as client:

                def up() -> bool:
                    there = (_asked(client, "targets") or {"activeTargets": []})["activeTargets"]
                    return [target["health"] for target in there] == ["up"] * 3

                def firing() -> set[str]:
                    there = (_asked(client, "alerts") or {"alerts": []})["alerts"]
                    return {one["labels"]["alertname"] for one in there if one["state"] == "firing"}

                def rules() -> dict[str, str]:
                    groups = (_asked(client, "rules") or {"groups": []})["groups"]
                    return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

                _until(up, seconds=60)
                _until(lambda: set(rules().values()) == {"ok"}, seconds=60)
                assert rules().keys() == {rule["alert"] for rule in alerts(project_dir)}
                assert firing() == set()
                worker.end()
                took = _until(
                    lambda: firing() == {"WorkerAway", "NobodyReadsTheProvider"}, seconds=FIRES_WITHIN_SECONDS
                )
                print(f"the alerts fire {took:.0f} s after the worker was stopped")  # noqa: T201 - the figure
                worker.start(project_dir)
                _until(lambda: firing() == set(), seconds=60)
    finally:
        worker.kill()
        redis.kill()
