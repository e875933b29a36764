"""Runs releases of the application as processes, each from its own folder.

The next release is this code plus one migration, which touches the most used tables. No release is older
than the schema of this code (`FIRST_RELEASE`), and an old commit would prove nothing about the next
migration; the variable RELEASE_BEFORE can still name a commit to use as the running release.
"""

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onramp_app.config import PROJECT_DIR
from onramp_app.db.migrate import latest_revision
from tests.ports import free_port
from tests.served import answers

_PARTS = ("onramp_app", "alembic", "alembic.ini", "rxconfig.py", "pyproject.toml")
_SERVER = PROJECT_DIR / "tests" / "limited_server.py"
NEXT = "9001"
_MIGRATION = f'''
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{NEXT}", "{latest_revision()}", None, None


def upgrade() -> None:
    for table in ("webhook_events", "provider_orders", "top_ups"):
        op.add_column(table, sa.Column("of_the_next_release", sa.Text))
        op.create_check_constraint(f"ck_{{table}}_next", table, "of_the_next_release <> ''")
        op.create_index(f"ix_{{table}}_next", table, ["of_the_next_release"])
'''


def _copied(folder: Path) -> None:
    folder.mkdir()
    for name in _PARTS:
        copy = shutil.copytree if (PROJECT_DIR / name).is_dir() else shutil.copy
        copy(PROJECT_DIR / name, folder / name)


def release_before(folder: Path) -> Path:
    """Create the running release in a folder: this code, or the commit in RELEASE_BEFORE."""
    if commit := os.environ.get("RELEASE_BEFORE"):
        archive = subprocess.run(
            ["git", "archive", commit, *_PARTS], cwd=PROJECT_DIR, check=True, capture_output=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
    else:
        _copied(folder)
    shutil.copy(_SERVER, folder / "serve.py")
    return folder


def next_release(folder: Path, *, waits_for_locks: str = "1s") -> Path:
    """Create the next release in a folder: this code plus one migration."""
    _copied(folder)
    shutil.copy(_SERVER, folder / "serve.py")
    (folder / "alembic" / "versions" / f"{NEXT}_next.py").write_text(_MIGRATION)
    code = folder / "onramp_app" / "db" / "migrate.py"
    wanted = '_LOCK_WAIT = "1s"'
    assert wanted in code.read_text()
    code.write_text(code.read_text().replace(wanted, f'_LOCK_WAIT = "{waits_for_locks}"'))
    return folder


@dataclass
class Place:
    """A port on which one release replaces another, as under a systemd unit."""

    name: str
    environment: Mapping[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, release: Path) -> None:
        """Start an instance or a worker of a release, and wait until it is ready."""
        command = (
            ["-m", "onramp_app", "worker"]
            if self.name == "worker"
            else ["serve.py", "127.0.0.1", str(self.port), "onramp_app.onramp_app:app", "10"]
        )
        values = {"WORKER_PORT": str(self.port), "PYTHONDONTWRITEBYTECODE": "1"}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=release, env={**self.environment, **values},
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not answers(f"{self.url}/api/health/ready"):
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)

    def end(self) -> float:
        """Send SIGTERM and wait for exit status 0; return how many seconds that took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0, self.log.read_text()[-3000:]
        return time.monotonic() - began

    def kill(self) -> None:
        """Kill the process and its children."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
