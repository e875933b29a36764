"""Progress reports of long work. They go nowhere unless a listener is set, as commands do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(what: str) -> None:
    """Report in a few words what is being done now. Called often, so it must cost next to nothing."""
    if (listener := _listener.get()) is not None:
        listener(what)


@contextmanager
def reported_to(listener: Listener) -> Iterator[None]:
    """Call the listener with each report in this context, its tasks and its `asyncio.to_thread` calls."""
    outer = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(outer)
