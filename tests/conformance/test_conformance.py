"""Schemathesis tests the running API against its description, with background work and a provider."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from onramp_app.config import PROJECT_DIR
from tests import rows
from tests.served import answers, served
from tests.simulator.process import Process

PLANTED = ("/api/balances", "/api/transactions", "/api/auth/me")
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)


@dataclass(frozen=True)
class Server:
    """The application's URL, its log file, and a program's API key."""

    url: str
    log: Path
    key: str


@pytest.fixture(scope="module")
def server(database_of_the_file: str, simulator_process: Process, tmp_path_factory: Any) -> Iterator[Server]:
    """The application with its background work, ready once it has exchange rates."""
    simulator_process.control("scenario", method="DELETE")
    values = {
        "ONRAMP_API_URL": simulator_process.base,
        "ONRAMP_WIDGET_URL": f"{simulator_process.base}/main",
        "ONRAMP_REQUESTS_PER_MINUTE": "10000",
        "TRUSTED_PROXY_HOPS": "1",  # so that requests can set their own client address
    }
    log = tmp_path_factory.mktemp("api") / "log"
    with served(database_of_the_file, log=log, LOG_FORMAT="json", **values) as url:
        with psycopg.connect(database_of_the_file, autocommit=True) as owner:
            _, key = rows.program(owner, requests_per_minute=6_000)
        running = Server(url, log, key)
        deadline = time.monotonic() + 30
        while not answers(f"{running.url}/api/exchange-rates?base=INR&symbols=USDT"):
            assert time.monotonic() < deadline, running.log.read_text()[-2000:]
            time.sleep(0.2)
        yield running


def _ask(server: Server, folder: Path, *arguments: str, share: float = 1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            "run",
            f"--url={server.url}",
            f"--checks={CHECKS}",
            "--no-color",
            *arguments,
        ],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(PROJECT_DIR),
            "SCHEMATHESIS_HOOKS": "tests.conformance.hooks",
            "API_URL": server.url,
            "API_KEY": server.key,
            "SHARE_OF_CASES": str(share),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def _statuses(server: Server) -> Counter[tuple[str, int]]:
    """Count the answers by operation and status, from the server's own log."""
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    answered = [line for line in lines if line["event"] == "request"]
    return Counter((f"{line['method']} {line['path']}", line["status"]) for line in answered)


def _expect_conformance(
    server: Server, folder: Path, *arguments: str, at_least: int, share: float = 1
) -> None:
    report = folder / "report.json"
    seed = secrets.randbelow(2**32)
    asked = _ask(
        server,
        folder,
        f"{server.url}/api/openapi.json",
        f"--seed={seed}",
        "--report=json",
        f"--report-json-path={report}",
        *arguments,
        share=share,
    )
    assert asked.returncode == 0, f"seed {seed}\n{asked.stdout[-6000:]}{asked.stderr[-2000:]}"
    report_content = json.loads(report.read_text())
    assert report_content["operations"]["tested"] == report_content["operations"]["total"]
    assert report_content["test_cases"]["generated"] >= at_least
    answered = _statuses(server)
    # Nothing is down here, so not even the documented 503s have a reason to occur.
    assert {what: count for what, count in answered.items() if what[1] >= 500} == {}
    # The requests got past the first checks.
    for what in (
        ("POST /api/top-ups", 201),
        ("POST /api/quotes", 200),
        ("PATCH /api/auth/me", 200),
        ("POST /api/users", 201),
        ("POST /api/webhook-endpoints", 201),
    ):
        assert answered[what] > 0, (what, seed)


def test_every_answer_is_described(server: Server, tmp_path: Path) -> None:
    _expect_conformance(server, tmp_path, "--phases=coverage", at_least=300, share=1 / 8)


@pytest.mark.full
def test_every_answer_is_described_at_length(server: Server, tmp_path: Path) -> None:
    _expect_conformance(server, tmp_path, "--max-examples=400", at_least=10_000)


@pytest.mark.full
def test_an_answer_that_is_not_described_is_found(server: Server, tmp_path: Path) -> None:
    """The control: the same run with a description that says less, or more, than the API does."""
    description = httpx.get(f"{server.url}/api/openapi.json").json()
    paths = {path: description["paths"][path]["get"]["responses"] for path in PLANTED}
    del paths["/api/balances"]["200"]
    paths["/api/transactions"]["200"]["content"] = {"text/csv": {}}
    description["components"]["schemas"]["UserAnswer"]["required"].append("planted")
    path = tmp_path / "description.json"
    path.write_text(json.dumps(description))
    only = [f"--include-path={path}" for path in PLANTED]
    asked = _ask(server, tmp_path, str(path), *only, "--include-method=GET", "--max-examples=5")
    assert asked.returncode == 1, asked.stdout[-3000:]
    for words in ("Undocumented status code", "Undocumented Content-Type", "Response violates schema"):
        assert words in asked.stdout, words
