"""Shows on standard error how far long work is: one line that changes on a terminal, elsewhere a new one."""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from onramp_app.domain.progress import reported_to

TERMINAL_SECONDS = 0.5
LINE_SECONDS = 5.0

_CLEAR = "\r\x1b[K"


@contextmanager
def shown_progress() -> Iterator[None]:
    """Show what is reported within the context. What is done sooner than that shows nothing."""
    newest: list[str] = [""]
    is_over = threading.Event()

    def take(what: str) -> None:
        newest[0] = what

    # A thread, because what is waited for may be one statement of many seconds.
    shower = threading.Thread(target=_show, args=(newest, is_over), daemon=True)
    shower.start()
    try:
        with reported_to(take):
            yield
    finally:
        is_over.set()
        shower.join()


def _show(newest: list[str], is_over: threading.Event) -> None:
    stream, began = sys.stderr, time.monotonic()
    is_terminal = stream.isatty()
    is_shown = False
    while not is_over.wait(TERMINAL_SECONDS if is_terminal else LINE_SECONDS):
        if newest[0]:
            line = f"{time.monotonic() - began:.0f} s: {newest[0]}"
            if is_terminal:
                line = f"{_CLEAR}{line[: shutil.get_terminal_size().columns - 1]}"
            stream.write(line if is_terminal else f"{line}\n")
            stream.flush()
            is_shown = True
    if is_terminal and is_shown:
        stream.write(_CLEAR)
        stream.flush()
