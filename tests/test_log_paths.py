"""Every path by which a library's log lines leave the process is redacted. The secret is a canary."""

import asyncio
import contextlib
import io
import logging
import logging.config
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from granian.log import LogLevels
from granian.log import configure_logging as configure_granian

from onramp_app import logs
from tests.ports import free_port

CANARY = "canary-word"
TEXT = f"connecting with postgresql://me:{CANARY}@host/db"
# How uvicorn configures its loggers before it loads an application; Granian has a function for that.
OWN_HANDLERS = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"own": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}},
    "loggers": {
        "uvicorn": {"handlers": ["own"], "level": "INFO", "propagate": False},
        "uvicorn.access": {"handlers": ["own"], "level": "INFO", "propagate": False},
    },
}
LOGGERS = (
    "reflex",
    "reflex_base.event.processor",
    "_granian",
    "_granian.asgi.io",
    "granian.access",
    "uvicorn.error",
    "uvicorn.access",
    "httpx",
    "httpcore.connection",
    "asyncio",
    "py.warnings",
    "sqlalchemy.engine.Engine",
    "sqlalchemy.pool",
    "psycopg",
    "psycopg.pool",
    "socketio.server",
    "engineio.server",
    "alembic.runtime.migration",
    "redis",
    "urllib3.connectionpool",
    "a.library.of.tomorrow",
)


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """Everything that is written, with the libraries' own handlers in place as a server installs them."""
    root = logging.getLogger()
    before = (root.handlers, root.level)
    written = io.StringIO()
    with contextlib.redirect_stderr(written), contextlib.redirect_stdout(written):
        configure_granian(LogLevels.info)
        logging.config.dictConfig(OWN_HANDLERS)
    yield written
    logging.captureWarnings(capture=False)
    root.handlers, root.level = before


def _configure(written: io.StringIO) -> None:
    with contextlib.redirect_stderr(written):
        logs.configure_logs(level="debug", style="json")


def _say(name: str) -> None:
    logging.getLogger(name).error("it failed: %s", TEXT)
    try:
        raise RuntimeError(TEXT)
    except RuntimeError:
        logging.getLogger(name).exception("it failed")


@pytest.mark.parametrize("name", LOGGERS)
def test_a_secret_in_a_line_of_a_library_is_taken_out(output: io.StringIO, name: str) -> None:
    _configure(output)
    _say(name)
    assert output.getvalue().count("it failed") == 2
    assert output.getvalue().count("[redacted]") == 2
    assert CANARY not in output.getvalue()


@pytest.mark.parametrize("name", LOGGERS)
def test_without_the_redaction_it_is_written(
    output: io.StringIO, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The control for the test above, for each of its loggers."""
    monkeypatch.setattr(logs, "_redact", lambda _logger, _method, event: event)
    _configure(output)
    _say(name)
    assert output.getvalue().count(CANARY) >= 2


@pytest.mark.parametrize("name", ["_granian", "granian.access", "uvicorn.access"])
def test_a_server_that_is_left_alone_passes_by(output: io.StringIO, name: str) -> None:
    """The control for taking over the handlers: before that, these loggers write through their own."""
    _say(name)
    assert output.getvalue().count(CANARY) >= 2


def _warn() -> None:
    warnings.warn(TEXT, UserWarning, stacklevel=1)


def _fail_in_a_task() -> None:
    async def lose() -> None:
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": TEXT, "exception": RuntimeError(TEXT)})

    # A loop of its own, in a thread: the test itself may run in one.
    thread = threading.Thread(target=lambda: asyncio.run(lose()))
    thread.start()
    thread.join()


@pytest.mark.parametrize("happen", [_warn, _fail_in_a_task])
def test_a_secret_in_a_warning_or_a_lost_task_is_taken_out(
    output: io.StringIO, monkeypatch: pytest.MonkeyPatch, happen: Callable[[], None]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        _configure(output)
        happen()
        assert "[redacted]" in output.getvalue()
        assert CANARY not in output.getvalue()
        monkeypatch.setattr(logs, "_redact", lambda _logger, _method, event: event)
        _configure(output)
        happen()
        assert CANARY in output.getvalue(), "the control"


@pytest.mark.parametrize(
    "text",
    [
        f"{{'cookie': 'session={CANARY}; a=b'}}",
        f"[(b'cookie', b'session={CANARY}')]",
        f'{{"refresh_token": "{CANARY}"}}',
        f"[('x-onramp-signature', '{CANARY}')]",
        f"GET /metrics?token={CANARY}&x=1",
        f"password={CANARY}",
        f"password=two words {CANARY}",
        f"password: {CANARY}",
        f"new_password = {CANARY}",
        f"passwd={CANARY}&pwd={CANARY}",
        f"password%3D{CANARY}%26x",
        f"{{'password': '[a, {CANARY}'}}",
        f'{{"password": "a\\" b, {CANARY}"}}',
        f'{{"password": "never closed, {CANARY}',
        f"x-onramp-signature: {CANARY}",
        f"X-API-KEY: {CANARY}",
        f"Authorization: Basic {CANARY}",
        f"(b'authorization', b'Basic {CANARY}')",
        f"postgresql://me:a:b@{CANARY}@host/db",
        f"wss://host/_event/?token={CANARY}",
    ],
)
def test_a_secret_behind_its_name_is_taken_out(output: io.StringIO, text: str) -> None:
    _configure(output)
    logging.getLogger("theirs").error("headers were %s", text)
    logging.getLogger("theirs").error("that is all", extra={"told": [text, {"inner": text}]})
    assert CANARY not in output.getvalue()
    assert "headers were" in output.getvalue()
    assert "that is all" in output.getvalue()


@pytest.mark.parametrize("name", ["cookie", "Authorization", b"cookie", "x-onramp-signature", "otp"])
def test_a_secret_in_a_pair_of_name_and_value_is_taken_out(output: io.StringIO, name: str | bytes) -> None:
    value = CANARY.encode() if isinstance(name, bytes) else CANARY
    _configure(output)
    logging.getLogger("theirs").error("asked", extra={"headers": [(name, value), ("accept", "text/html")]})
    assert CANARY not in output.getvalue()
    assert "text/html" in output.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "refresh token reused, of session 0198",
        "GET https://host:8001/path?since=2026-01-01T00:00:00Z&limit=5 was 200",
        "the token of a tab, then more",
        "passwords: 3 wait",
    ],
)
def test_what_is_no_secret_is_left(output: io.StringIO, text: str) -> None:
    _configure(output)
    logging.getLogger("theirs").error(text)
    assert text in output.getvalue()


def _ask(url: str) -> int:
    deadline = time.monotonic() + 30
    while True:
        try:
            return httpx.get(url, verify=False).status_code
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


APPLICATION = """
import os
from onramp_app.logs import configure_logs

def app():
    if os.environ["CONFIGURE"] == "yes":
        configure_logs(level="info", style="json")

    async def fail(scope, receive, send):
        if scope["type"] == "lifespan":
            raise NotImplementedError
        raise RuntimeError("postgresql://me:canary-word@host/db")

    return fail
"""


@pytest.mark.parametrize(("configure", "is_leaked"), [("yes", False), ("no", True)])
def test_what_granian_says_of_a_failed_request_is_redacted(
    tmp_path: Path, project_dir: Path, configure: str, is_leaked: bool
) -> None:
    """A real worker configures its loggers first and only then loads the application."""
    (tmp_path / "failing.py").write_text(APPLICATION)
    port = str(free_port())
    command = [Path(sys.executable).parent / "granian", "--interface", "asgi", "--factory", "--access-log"]
    server = subprocess.Popen(
        [*command, "--port", port, "failing:app"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{project_dir}{os.pathsep}{tmp_path}", "CONFIGURE": configure},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        status = _ask(f"http://127.0.0.1:{port}/?password=x")
    finally:
        server.terminate()
        written, _ = server.communicate(timeout=20)
    assert status == 500, written
    assert "RuntimeError" in written
    assert (CANARY in written) is is_leaked, written
