"""The limits that are set on the web server before it starts."""

import os
import subprocess
import sys

import pytest
from granian import server
from reflex.constants import LogLevel
from reflex.utils.exec import run_granian_backend_prod

from onramp_app.config import PROJECT_DIR, Settings
from onramp_app.local.server import limit_the_server, max_connections
from onramp_app.running.checks import CHECKS, ENOUGH_FILES
from onramp_app.running.parts import UnwellError


def test_reflex_starts_the_server_with_our_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(server.Server, "serve", lambda self, *_: started.append(self))
    monkeypatch.setattr(server, "Server", server.Server)  # restored after the test
    monkeypatch.setenv("REFLEX_BACKEND_START_METHOD", "spawn")
    limit_the_server()
    limit_the_server()
    run_granian_backend_prod("127.0.0.1", 1, LogLevel.INFO, app_target="onramp_app.onramp_app:app")
    (one,) = started
    assert str(one.http) == "1"
    assert one.http1_settings.header_read_timeout == 10_000
    assert one.backpressure == max_connections()


def test_open_files_are_raised_as_far_as_the_process_may() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 3_000))\n"
        "import rxconfig; print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_DIR, env=os.environ, capture_output=True, check=True
    )
    assert answer.stdout.split() == [b"(3000,", b"3000)"]


async def test_check_says_when_too_few_files_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    for files in (ENOUGH_FILES, ENOUGH_FILES - 1):
        monkeypatch.setattr("onramp_app.running.checks.raise_open_files", lambda files=files: files)
        if files == ENOUGH_FILES:
            assert f"may open {files} files" in await CHECKS["open files"](settings)
        else:
            with pytest.raises(UnwellError, match="ulimit -n"):
                await CHECKS["open files"](settings)
