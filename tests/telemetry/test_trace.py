"""A trace is one id for everything that follows from a webhook, and is not exported without a collector."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from onramp_app.telemetry import trace
from onramp_app.telemetry.trace import Span, Trace, trace_of
from tests.log_lines import log_lines


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00-x",
        f"01-{'a' * 32}-{'b' * 16}-01",
        f"00-{'A' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'b' * 16}-01\n",
    ],
)
def test_what_is_no_trace_is_none(text: str | None) -> None:
    assert trace_of(text) is None


def test_a_trace_survives_the_way_to_another_process() -> None:
    begun = trace.begun()
    assert trace_of(begun.text) == begun
    follows = trace.begun(begun)
    assert (follows.trace_id, follows.span_id != begun.span_id) == (begun.trace_id, True)
    assert trace.begun().trace_id != begun.trace_id


@pytest.fixture
def spans():
    found: list[Span] = []
    trace.add_sink(found.append)
    yield found
    trace.remove_sink(found.append)


def test_a_span_ends_with_its_work_and_its_id_is_in_the_lines_of_the_log(
    spans: list[Span], monkeypatch: pytest.MonkeyPatch
) -> None:
    output: io.StringIO
    with log_lines(monkeypatch, level="info") as output:
        with trace.span("outer") as outer:
            with pytest.raises(ValueError, match="a fault"), trace.span("inner", number=1):
                raise ValueError("a fault")
            structlog.get_logger("test").info("within")
        structlog.get_logger("test").info("outside")
    within, outside = (json.loads(line) for line in output.getvalue().splitlines())
    assert (within["trace_id"], outside.get("trace_id")) == (outer.trace_id, None)
    inner, whole = spans
    assert (inner.name, inner.parent_id, inner.error, inner.values) == (
        "inner",
        outer.span_id,
        "ValueError",
        {"number": 1},
    )
    assert (whole.name, whole.parent_id, whole.error) == ("outer", None, None)
    assert trace.current() is None


def test_work_that_has_ended_is_a_span_with_its_own_times(spans: list[Span]) -> None:
    parent = Trace("a" * 32, "b" * 16)
    began = datetime(2026, 3, 1, tzinfo=UTC)
    trace.ended(trace.begun(parent), "read", parent=parent, began=began, at=began + timedelta(seconds=2))
    (span,) = spans
    assert (span.trace.trace_id, span.parent_id) == ("a" * 32, "b" * 16)
    assert span.ended_ns - span.began_ns == 2_000_000_000
