"""Runs a real PgBouncer in front of a test's PostgreSQL."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.ports import free_port

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
server_round_robin = {round_robin}
logfile = {folder}/log
"""


@contextmanager
def pooler(
    url: str, folder: Path, *, mode: str = "transaction", size: int = 3, round_robin: int = 0
) -> Iterator[str]:
    """Run a pooler for the database at `url` and yield the URL through it; skips if none is installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed (apt-get install pgbouncer)")
    parts, port = urlsplit(url), free_port()
    values = {"server_port": parts.port, "port": port, "folder": folder, "mode": mode, "size": size}
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(_CONFIGURATION.format(**values, round_robin=round_robin))
    (folder / "users").write_text(f'"{parts.username}" "{parts.password}"\n')
    command = [program, str(configuration)]
    if os.geteuid() == 0:  # It refuses to run as root, and `nobody` has to reach its files.
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "nobody")
        command[1:1] = ["-u", "nobody"]
        for above in takewhile(lambda path: not path.stat().st_mode & 0o077, folder.parents):
            above.chmod(0o711)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
    finally:
        process.terminate()
        process.wait(10)
