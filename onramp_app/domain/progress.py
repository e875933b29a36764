"""Where long work says how far it is. Nobody hears it unless somebody listens, as a command does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(what: str) -> None:
    """Say what is being done now, in a few words. Called often; must cost nothing."""
    if (listener := _listener.get()) is not None:
        listener(what)


@contextmanager
def reported_to(listener: Listener) -> Iterator[None]:
    """Have the listener called with each report of this context, tasks and threads begun in it included."""
    outer = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(outer)
