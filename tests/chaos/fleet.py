"""Two instances, two workers, a database, a Redis and a provider: real processes to inject faults into.

They are the processes of `compose.yaml` with its settings, plus a second worker, without containers.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from onramp_app.config import PROJECT_DIR
from tests.ports import free_port
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer
from tests.served import ENDS_IN_TIME, answers
from tests.simulator.process import PATIENT, Process

SET_WEBHOOK = "/onramp/api/v1/merchant/setWebhookUrl"
METRICS_TOKEN = "the token of the fleet's metrics"
SECRET_KEY = "a key for all of the fleet, which nobody else has"


@dataclass
class Child:
    """One of our processes, always on the same port; its health routes are below `url`."""

    name: str
    command: list[str]
    port: int
    environment: dict[str, str]
    log: Path
    clock: Path  # how many seconds its clock is ahead
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, cwd=PROJECT_DIR, env=self.environment, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip

    def wait_until_ready(self, *, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not answers(f"{self.url}/api/health/ready"):
            if self.process is None or self.process.poll() is not None:
                self.start()  # as a supervisor does
            assert time.monotonic() < deadline, f"{self.name}: {self.log.read_text()[-3000:]}"
            time.sleep(0.2)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    @property
    def has_own_clock(self) -> bool:
        """Whether its clock can be set, which needs libfaketime (`apt-get install faketime`)."""
        return "LD_PRELOAD" in self.environment

    def step_clock(self, seconds: float) -> None:
        """Set the wall clock of the process ahead, or behind; its monotonic clock stays as it is."""
        self.clock.write_text(f"{seconds:+.0f}\n")

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.send(signal.SIGKILL)
            self.process.wait()


@dataclass
class Fleet:
    """The whole fleet; `children` holds the instances first, then the workers."""

    database: PostgresServer
    redis: RedisServer
    provider: Process
    children: list[Child] = field(default_factory=list)

    @property
    def instances(self) -> list[Child]:
        return self.children[:2]

    @property
    def workers(self) -> list[Child]:
        return self.children[2:]

    def heal(self) -> None:
        """End every fault and wait until all processes are ready."""
        self.redis.start()
        self.provider.control("scenario", method="DELETE")
        for child in self.children:
            child.step_clock(0)
            child.wait_until_ready()


APP = "onramp_app.onramp_app:app"


@contextmanager
def running_fleet(
    folder: Path,
    patch: pytest.MonkeyPatch,
    *,
    app: str = APP,
    poll_seconds: int = 1,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Fleet]:
    """Run the fleet until the context ends. This process uses the same secret key.

    Args:
        app: what the instances serve; a faulty application for control tests.
        poll_seconds: how often the provider is polled when no webhook arrives.
        settings: further settings of PostgreSQL.
    """
    patch.setenv("SECRET_KEY", SECRET_KEY)
    with ExitStack() as stack:
        database = PostgresServer(folder / "postgres", patch, durable=True, settings=settings)
        redis, provider = RedisServer(), Process(folder / "orders.sqlite", free_port(), PATIENT)
        for start, stop in (
            (database.start, database.stop), (redis.start, redis.kill), (provider.start, provider.kill)
        ):  # fmt: skip
            start()
            stack.callback(stop)
        fleet = Fleet(database, redis, provider)
        for name in ("instance 1", "instance 2", "worker 1", "worker 2"):
            child = _child(fleet, name, folder, app=app)
            child.environment["ONRAMP_POLL_SECONDS"] = str(poll_seconds)
            fleet.children.append(child)
            child.start()
            stack.callback(child.kill)
        for child in fleet.children:
            child.wait_until_ready()
        provider.data(SET_WEBHOOK, {"webhookUrl": f"{fleet.instances[0].url}/api/webhooks/onramp"})
        yield fleet


def _child(fleet: Fleet, name: str, folder: Path, *, app: str) -> Child:
    """Return an instance or worker with the settings that `compose.yaml` gives it."""
    port, is_worker = free_port(), name.startswith("worker")
    granian = [str(Path(sys.executable).parent / "granian"), "--interface", "asgi", "--factory"]
    serve = [*granian, *ENDS_IN_TIME, "--host", "127.0.0.1", "--port", str(port), app]
    clock = folder / f"{name}.clock"
    services = yaml.safe_load((PROJECT_DIR / "compose.yaml").read_text())["services"]
    return Child(
        name,
        [sys.executable, "-m", "onramp_app", "worker"] if is_worker else serve,
        port,
        {
            **os.environ,
            **services["worker" if is_worker else "app-1"]["environment"],
            # The addresses that differ from those in the containers, and the simulator as the provider.
            "APP_ENV": "test",
            "HOST": "127.0.0.1",
            "DATABASE_URL": fleet.database.url,
            "REDIS_URL": fleet.redis.url,
            "WORKER_PORT": str(port),
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ONRAMP_API_URL": fleet.provider.base,
            "ONRAMP_WIDGET_URL": f"{fleet.provider.base}/main",
            "ONRAMP_REQUESTS_PER_MINUTE": "10000",
            "REFLEX_ENV_MODE": "prod",
            "__REFLEX_SKIP_COMPILE": "true",
            "METRICS_TOKEN": METRICS_TOKEN,
            **_clock_of_its_own(clock),
        },
        folder / f"{name}.log",
        clock,
    )


def _clock_of_its_own(file: Path) -> dict[str, str]:
    """Return the variables that shift a process's clock by the offset in a file, read once a second."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        return {}
    file.write_text("+0\n")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
