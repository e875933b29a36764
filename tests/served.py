"""Runs instances of the application under the real server, without the pages."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
from starlette.types import ASGIApp

from onramp_app.api.build import create_api
from onramp_app.config import PROJECT_DIR
from tests.ports import free_port

# Granian waits forever for a socket that closes at the very moment the server stops.
ENDS_IN_TIME = ("--workers-kill-timeout", "5")


@dataclass(frozen=True)
class Instance:
    """The URL of a running instance, and the database that it works on."""

    url: str
    database: str


def answers(url: str) -> bool:
    """Return whether a GET of this URL succeeds."""
    try:
        # Loading the CA certificates, which plain http never uses, would cost 40 ms of processor per call.
        return httpx.get(url, timeout=2, verify=False).is_success
    except httpx.TransportError:
        return False


# The routes are resolved with the first request, which would be most of a short test's cost.
@cache
def whole_api() -> ASGIApp:
    """Return the API, built once for all tests that call it in-process."""
    return create_api("Wallet")


@contextmanager
def served(
    database: str,
    *,
    app: str = "onramp_app.onramp_app:app",
    log: Path = Path(os.devnull),
    files: int | None = None,
    header_seconds: int = 10,
    **values: str,
) -> Iterator[str]:
    """Run an instance and yield its URL. `values` go into its environment, its output goes to `log`.

    With `files` the server runs under the limits of `rxconfig.py`, and may open that many files.
    """
    port = free_port()
    environment = {
        **os.environ,
        "APP_ENV": "test",
        "DATABASE_URL": database,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "REFLEX_ENV_MODE": "prod",
        "__REFLEX_SKIP_COMPILE": "true",
        **values,
    }
    granian = [Path(sys.executable).parent / "granian", "--interface", "asgi", "--factory", *ENDS_IN_TIME]
    command = [*granian, "--host", "127.0.0.1", "--port", str(port), app]
    if files is not None:
        limited = [sys.executable, "-m", "tests.limited_server", "127.0.0.1", str(port), app]
        command = ["prlimit", f"--nofile={files}:{files}", *limited, str(header_seconds)]
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            cwd=PROJECT_DIR,
            env=environment,
            stderr=output,
            stdout=output,
        )
    try:
        deadline = time.monotonic() + 60
        while not answers(f"http://127.0.0.1:{port}/api/health/ready"):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)
