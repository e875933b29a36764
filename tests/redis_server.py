"""A Redis server for a single test, which can be killed or frozen midway."""

import shutil
import signal
import subprocess
import time

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.ports import free_port


class RedisServer:
    """A real server on a loopback port, without persistence."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("no redis-server on the PATH")
        self._program = program
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server if it is not running, and wait until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        with Redis.from_url(self.url) as client:
            deadline = time.monotonic() + 10
            while True:
                try:
                    client.ping()
                    return
                except RedisError:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)

    def freeze(self) -> None:
        """Suspend the process: its connections stay open, and nothing is answered."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None
