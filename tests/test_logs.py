"""Log lines hold neither secrets nor personal data."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.log_lines import log_lines

# An event without a handler, as a hostile page might send it, put through Reflex's own queue.
UNKNOWN_EVENT = """
import asyncio, os, sys
from reflex_base.event import Event
from reflex_base.event.processor.event_processor import EventProcessor
from reflex_base.registry import RegistrationContext
from reflex_base.utils import log
from onramp_app.logs import configure_logs

async def send():
    event = Event(
        name="no.such.event",
        router_data={"headers": {"cookie": "session=canary-word"}},
        payload={"form": {"password": "canary-word"}},
    )
    processor = EventProcessor().configure()
    async with processor:
        await processor.enqueue("token", event)
        await asyncio.sleep(0.2)

def serve():
    with RegistrationContext():
        asyncio.run(send())
"""


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    with log_lines(monkeypatch, level="info") as output:
        yield output


def test_lines_of_libraries_and_ours_have_one_format(lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("ours").info("hello", amount="1.5")
        logging.getLogger("theirs").warning("hello %s", "there")
    own_line, other_line = (json.loads(line) for line in lines.getvalue().splitlines())
    assert own_line["request_id"] == other_line["request_id"] == "r-1"
    assert (own_line["event"], own_line["amount"], other_line["event"]) == ("hello", "1.5", "hello there")


@pytest.mark.parametrize(
    "text",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "postgresql://me:canary-word@host/db",
        "Authorization: Bearer canary-word",
        "Cookie: session=canary-word",
    ],
)
def test_a_secret_in_a_text_is_taken_out(lines: io.StringIO, text: str) -> None:
    logging.getLogger("theirs").error("failed with %s", text)
    structlog.get_logger().error("failed", detail=text)
    assert "canary-word" not in lines.getvalue()
    assert "eyJzdWIiOiIxIn0" not in lines.getvalue()
    assert lines.getvalue().count("[redacted]") == 2


def test_a_secret_under_a_telling_name_is_taken_out(lines: io.StringIO) -> None:
    structlog.get_logger().info("x", password="canary-word", api_key="canary-word", new_token="canary-word")
    assert "canary-word" not in lines.getvalue()


def test_a_secret_in_a_traceback_is_taken_out(lines: io.StringIO) -> None:
    try:
        raise RuntimeError("postgresql://me:canary-word@host/db")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    assert "RuntimeError" in lines.getvalue()
    assert "canary-word" not in lines.getvalue()


def run_in_managed_mode(project_dir: Path, *lines: str) -> str:
    """Run code in a process marked as started by the `reflex` command; return all that it wrote."""
    done = subprocess.run(
        [sys.executable, "-c", UNKNOWN_EVENT + "\n".join(lines)],
        cwd=project_dir,
        env={**os.environ, "REFLEX_MANAGED_LOGGING": "true", "SECRET_KEY": "k" * 48},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout + done.stderr


CONFIGURE = "configure_logs(level='info', style='json')"


def test_an_unknown_event_is_logged_without_its_cookie_and_payload(project_dir: Path) -> None:
    written = run_in_managed_mode(project_dir, "log.ensure_configured()", CONFIGURE, "serve()")
    line = json.loads(written.splitlines()[-1])
    assert line["logger"].startswith("reflex_base.")
    assert "no.such.event" in line["event"]
    assert "canary-word" not in written


def test_a_server_forked_by_the_command_logs_as_we_do_and_the_command_as_it_does(project_dir: Path) -> None:
    written = run_in_managed_mode(
        project_dir,
        "import logging, reflex.reflex",
        "log.enable_managed_logging()",
        CONFIGURE,
        "if os.fork() == 0:",
        "    serve()",
        "    log.ensure_configured()",
        "    os._exit(0)",
        "os.wait()",
        "logging.getLogger('reflex').warning('said by the command')",
    )
    assert "no.such.event" in written
    assert "canary-word" not in written
    assert "\nWarning: said by the command\n" in f"\n{written}"


@pytest.mark.full
def test_without_the_configuration_reflex_writes_the_cookie_and_the_password(project_dir: Path) -> None:
    """The control for the two tests above."""
    written = run_in_managed_mode(project_dir, "log.ensure_configured()", "serve()")
    assert written.count("canary-word") == 2


def test_an_event_inside_an_exception_is_taken_out(lines: io.StringIO) -> None:
    try:
        raise ValueError("Failed to deserialize event data: {'name': 'x', 'password': 'canary-word'}.")
    except ValueError:
        logging.getLogger("engineio.server").exception("message handler error")
    assert "ValueError" in lines.getvalue()
    assert "canary-word" not in lines.getvalue()


def test_a_secret_deep_inside_a_value_is_taken_out(lines: io.StringIO) -> None:
    class Odd:
        def __repr__(self) -> str:
            return "Odd(Bearer canary-word)"

    structlog.get_logger().info(
        "x", report={"inner": [{"password": "canary-word"}, ("Bearer canary-word", Odd())]}, count=3
    )
    line = json.loads(lines.getvalue())
    assert "canary-word" not in lines.getvalue()
    assert (line["count"], len(line["report"]["inner"])) == (3, 2)


def test_a_long_text_is_cut_in_its_middle(lines: io.StringIO) -> None:
    logging.getLogger("theirs").error("begin%send", "x" * 1_000_000)
    event = json.loads(lines.getvalue())["event"]
    assert event.startswith("begin")
    assert event.endswith("end")
    assert len(event) < 9_000
