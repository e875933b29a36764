"""Serves a peer as our application is served: by Granian, with one worker."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.ports import free_port


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        httpx.get(url, trust_env=False)
        return True
    return False


@contextmanager
def granian(python: Path, database: str, target: str, *options: str, cwd: Path) -> Iterator[str]:
    port = free_port()
    command: list[str | Path] = [
        python.parent / "granian",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *options,
        target,
    ]
    environment = {**os.environ, "DATABASE_URL": database}
    process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(url):
            assert process.poll() is None, f"{target} has ended"
            assert time.monotonic() < deadline, f"{target} does not answer"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)
