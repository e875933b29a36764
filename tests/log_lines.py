"""Captures what the application logs under its real logging configuration."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from onramp_app.logs import configure_logs


@contextmanager
def log_lines(monkeypatch: pytest.MonkeyPatch, *, level: str) -> Iterator[io.StringIO]:
    """Configure logging as in production and yield its output, one JSON document per line."""
    root = logging.getLogger()
    before, ours = (root.handlers, root.level), structlog.get_config()
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    configure_logs(level=level, style="json")
    try:
        yield output
    finally:
        root.handlers, root.level = before
        structlog.configure(**ours)
