"""What a log line may hold."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from onramp_app.logs import configure_logs


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    configure_logs(level="info", style="json")
    yield output
    root.handlers, root.level = before[0], before[1]


def test_lines_of_libraries_and_ours_have_one_format(lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("ours").info("hello", amount="1.5")
        logging.getLogger("theirs").warning("hello %s", "there")
    ours, theirs = (json.loads(line) for line in lines.getvalue().splitlines())
    assert ours["request_id"] == theirs["request_id"] == "r-1"
    assert (ours["event"], ours["amount"], theirs["event"]) == ("hello", "1.5", "hello there")


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
