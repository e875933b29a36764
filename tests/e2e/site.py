"""The application as served in production, with a simulator, for tests, benchmarks and screenshots."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from playwright.async_api import Page

from tests.ports import free_port
from tests.served import ENDS_IN_TIME, answers
from tests.simulator.process import Process

PROJECT = Path(__file__).resolve().parents[2]
# Slow enough that every step of a payment is visible, quick enough for a test.
_TEMPO = ("--tempo-seconds", "0.25", "--webhook-timeout-seconds", "1.5", "--webhook-retry-seconds", "0.2")
_SCRIPTS = Path(sys.executable).parent

OpenPage = Callable[..., Awaitable[Page]]


@dataclass(frozen=True)
class Site:
    """The running application, its database, and the simulator that it uses as the provider.

    `end` stops the server with SIGTERM, as platforms do; `kill` uses SIGKILL. `environment` is the
    environment for commands of the same installation.
    """

    url: str
    database_url: str
    simulator: Process
    start: Callable[[], None]
    end: Callable[[], None]
    kill: Callable[[], None]
    environment: dict[str, str]

    @property
    def pages(self) -> Path:
        """The folder of the served files."""
        return Path(self.environment["REFLEX_WEB_WORKDIR"], "build", "client")


@contextmanager
def other_settings(site: Site, **settings: str) -> Iterator[Site]:
    """Temporarily serve the same pages with other settings, at the same URL."""
    before = dict(site.environment)
    site.end()  # If killed, it would keep its leases, such as the one on rates, for up to a minute.
    site.environment.update(settings)
    try:
        site.start()
        yield site
    finally:
        site.end()
        site.environment.clear()
        site.environment.update(before)
        site.start()


def open_order(site: Site, address: str) -> int:
    """Open an order as the payment page of the top-up at `address` would. Returns its id."""
    top_up_id = urlsplit(address).path.rstrip("/").rpartition("/")[2]
    with psycopg.connect(site.database_url) as connection:
        row = connection.execute(
            "SELECT url FROM widget_sessions WHERE top_up_id = %s", (top_up_id,)
        ).fetchone()
    assert row is not None, f"there is no top-up at {address}"
    return int(site.simulator.control("orders", {"widget_url": row[0]})["orderId"])


@contextmanager
def running_site(folder: Path, database_url: str) -> Iterator[Site]:
    """Serve pages and API on one port; `end`, `kill` and `start` of the site can restart it midway.

    Args:
        folder: holds the log and the simulator's orders.
        database_url: an empty or migrated database.
    """
    port = free_port()
    simulator = Process(folder / "orders.sqlite", free_port(), _TEMPO)
    simulator.start()
    environment = _environment(database_url, port, simulator.port)
    environment["REFLEX_WEB_WORKDIR"] = _built_pages(environment)
    servers: list[subprocess.Popen[bytes]] = []
    log = folder / "server.log"

    def start() -> None:
        servers.append(_serve(environment, port, log))
        _wait_until_ready(f"http://localhost:{port}", servers[-1], log)

    def end() -> None:
        servers[-1].terminate()
        servers[-1].wait(20)

    def kill() -> None:
        os.killpg(servers[-1].pid, signal.SIGKILL)  # with the server's worker, which would live on
        servers[-1].wait()

    try:
        start()
        yield Site(f"http://localhost:{port}", database_url, simulator, start, end, kill, environment)
    finally:
        for server in servers:
            server.terminate()
            server.wait(20)
        simulator.kill()


def _environment(database_url: str, port: int, simulator_port: int) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{_SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "APP_ENV": "test",
        "DATABASE_URL": database_url,
        "PUBLIC_URL": f"http://localhost:{port}",
        "SECRET_KEY": "k" * 48,
        "TRUSTED_PROXY_HOPS": "1",
        "LOG_FORMAT": "json",
        "SUPPORT_EMAIL": "help@wallet.example",
        # The second is the origin of the sample shop.
        "RETURN_ORIGINS": f"https://shop.example,http://localhost:{free_port()}",
        "ONRAMP_API_URL": f"http://localhost:{simulator_port}",
        "ONRAMP_POLL_SECONDS": "2",
        # Deliveries on this network count once the chain shows them, all others on the provider's word.
        "CHAIN_RPC": json.dumps({"bep20": [f"http://localhost:{simulator_port}/chain/bep20"]}),
        # Pages are built in a separate folder, so that a running `reflex run` is not disturbed.
        "REFLEX_WEB_WORKDIR": ".web-tests",
        "REFLEX_FRONTEND_PORT": str(port),
        "REFLEX_BACKEND_PORT": str(port),
    }


def _built_pages(environment: dict[str, str]) -> str:
    """Build the pages, unless a build of this code exists; return their folder."""
    build = [sys.executable, "-m", "onramp_app", "build", "--to", ".pages-tests", "--json"]
    built = subprocess.run(  # noqa: PLW1510 - the next line says why it failed
        build, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    assert "Exception ignored" not in built.stderr, built.stderr[-4000:]
    return str(json.loads(built.stdout)["pages"])


def _serve(environment: dict[str, str], port: int, log: Path) -> subprocess.Popen[bytes]:
    environment = environment | {
        "REFLEX_ENV_MODE": "prod",
        "__REFLEX_SKIP_COMPILE": "true",
        "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    }
    granian = [_SCRIPTS / "granian", "--interface", "asgi", "--factory", *ENDS_IN_TIME, "--host", "127.0.0.1"]
    with log.open("a") as output:
        return subprocess.Popen(
            [*granian, "--port", str(port), "onramp_app.onramp_app:app"],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-4000:]
        if answers(f"{url}/api/health/ready"):
            return
        time.sleep(0.1)
    raise AssertionError("the application did not become ready:\n" + log.read_text()[-4000:])
