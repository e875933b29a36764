"""Runs a process's event loop on uvloop, which spends less time on each request than Python's own loop."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

try:
    import uvloop
except ImportError:  # no wheel for this machine: Python's own loop does the same, more slowly
    uvloop = None  # type: ignore[assignment]

Result = TypeVar("Result")


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, as `asyncio.run` does. The web server chooses its loop in the same way."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
        return runner.run(main)
