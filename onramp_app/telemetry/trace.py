"""Traces across processes: one id, from the receipt of a webhook to the page that shows the money.

Trace ids are always made: they are in the log lines, and stored in the inbox with the webhook. Spans leave
the process only if a collector is set (`telemetry.collector`).

The format is W3C Trace Context, https://www.w3.org/TR/trace-context/#traceparent-header-field-values.
"""

import random
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

import structlog

_FORM = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")
_ID = re.compile(r"[0-9a-f]{32}")
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Trace:
    """One span's context: `trace_id` is shared by the whole trace, `span_id` names this span. Hexadecimal."""

    trace_id: str
    span_id: str

    @property
    def text(self) -> str:
        """The `traceparent` form, 55 characters, in which it is passed to other processes."""
        return f"00-{self.trace_id}-{self.span_id}-01"


@dataclass(frozen=True, slots=True)
class Span:
    """A finished piece of work. Times are in nanoseconds since 1970; `parent_id` is the parent span's id."""

    name: str
    trace: Trace
    parent_id: str | None
    began_ns: int
    ended_ns: int
    values: Mapping[str, Value]
    error: str | None


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)
_sinks: list[Callable[[Span], None]] = []


def add_sink(sink: Callable[[Span], None]) -> None:
    """Register a function that gets each span when it ends; it must neither block nor raise."""
    _sinks.append(sink)


def remove_sink(sink: Callable[[Span], None]) -> None:
    """Undo `add_sink`."""
    _sinks.remove(sink)


def random_id(digits: int) -> str:
    """Return that many random hexadecimal digits. They are not secret: some of them reveal the next ones."""
    # Secure random numbers took a twentieth of a webhook's time. A forked process gets a different sequence.
    return f"{random.getrandbits(4 * digits):0{digits}x}"  # nosec B311


def begun(parent: Trace | None = None) -> Trace:
    """Return a new span in the parent's trace or, without a parent, in a new trace."""
    return Trace(parent.trace_id if parent else random_id(32), random_id(16))


def trace_of(text: str | None) -> Trace | None:
    """Return the trace from a text of `Trace.text`; None for any other text."""
    found = _FORM.fullmatch(text) if text else None
    return Trace(found[1], found[2]) if found else None


def is_trace_id(text: str) -> bool:
    """Return whether the text has the form of a trace id."""
    return _ID.fullmatch(text) is not None


def current() -> Trace | None:
    """Return the span of this task, if any."""
    return _current.get()


def ended(  # noqa: PLR0913 - what a span is
    trace: Trace,
    name: str,
    *,
    began: datetime,
    parent: Trace | None = None,
    at: datetime | None = None,
    error: str | None = None,
    **values: Value,
) -> None:
    """Pass a finished span to the sinks. Costs nothing without a collector.

    Args:
        trace: the span's context.
        name: the name of the work.
        began: when it began.
        parent: the context of the parent span, if any.
        at: when it ended; None: now.
        error: the kind of error with which it failed, if it did.
        values: attributes; nothing personal and nothing secret.
    """
    if not _sinks:
        return
    ended_ns = time.time_ns() if at is None else _nanoseconds(at)
    parent_id = parent.span_id if parent else None
    span = Span(name, trace, parent_id, _nanoseconds(began), ended_ns, values, error)
    for sink in _sinks:
        sink(span)


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


@contextmanager
def span(name: str, **values: Value) -> Iterator[Trace]:
    """Run the block as a span of the current trace or a new one, whose id is in all its log lines."""
    parent = _current.get()
    trace = begun(parent)
    token = _current.set(trace)
    began_ns, error = time.time_ns(), None
    try:
        with structlog.contextvars.bound_contextvars(trace_id=trace.trace_id):
            yield trace
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        _current.reset(token)
        parent_id = parent.span_id if parent else None
        for sink in _sinks:
            sink(Span(name, trace, parent_id, began_ns, time.time_ns(), values, error))


@asynccontextmanager
async def traced(name: str, **values: Value) -> AsyncIterator[Trace]:
    """Like `span`, for an `async with` that also opens other contexts."""
    with span(name, **values) as trace:
        yield trace
