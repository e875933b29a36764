"""Sends spans and log lines to an OpenTelemetry collector, if `OTEL_EXPORTER_OTLP_ENDPOINT` names one.

The SDK is imported only then, so that an ordinary start stays fast. Data waits in bounded queues that
separate threads empty, so a collector that is slow or down loses only its own data. Log lines are sent as
they are written, after redaction.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import time_ns
from typing import TYPE_CHECKING, Any

from onramp_app import logs
from onramp_app.config import Settings
from onramp_app.proxies import proxy_for
from onramp_app.telemetry import trace
from onramp_app.telemetry.faults import Fault
from onramp_app.telemetry.light import allow_sdk
from onramp_app.telemetry.trace import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

SERVICE = "onramp_app"
# For one request to the collector, retries included.
SEND_SECONDS = 2.0
SEND_EVERY_SECONDS = 1.0
MOST_WAITING = 4096
AT_ONCE = 512
# For sending what is still queued when the process ends.
CLOSE_SECONDS = 2.0

_SEVERITIES = {"debug": 5, "info": 9, "warning": 13, "error": 17, "critical": 21}
_away = Fault(
    "collector", lasts="the collector takes nothing", is_over="the collector takes traces and logs again"
)


@asynccontextmanager
async def collected(settings: Settings, *, role: str) -> AsyncIterator[None]:
    """Send spans and log lines while the context lasts, if a collector is set; at its end, flush the queues.

    Args:
        settings: name the collector.
        role: the role of this process, `instance` or `worker`.
    """
    if settings.otel_exporter_otlp_endpoint is None:
        yield
        return
    sender = await asyncio.to_thread(_Sender, settings.otel_exporter_otlp_endpoint, role=role)
    trace.add_sink(sender.send_span)
    logs.add_sink(sender.send_line)
    try:
        yield
    finally:
        trace.remove_sink(sender.send_span)
        logs.remove_sink(sender.send_line)
        await asyncio.to_thread(sender.close)


class _Complaints(logging.Handler):
    """Counts the SDK's warnings, which would otherwise log a line for each span that finds the queue full."""

    def emit(self, record: logging.LogRecord) -> None:
        # The unformatted message, because its arguments may contain the address with a password.
        _away.happened(complaint=str(record.msg)[:200])


class _Sender:
    """The queues to one collector, and the threads that empty them."""

    def __init__(self, endpoint: str, *, role: str) -> None:
        allow_sdk()
        import requests
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        complaints = logging.getLogger("opentelemetry")
        complaints.handlers, complaints.propagate = [_Complaints(logging.WARNING)], False
        base = endpoint.rstrip("/")
        session = requests.Session()
        session.trust_env = False  # as everywhere: the operator's proxy is read in one place only
        if (proxy := proxy_for(base)) is not None:
            session.proxies = {"http": proxy, "https": proxy}
        self._resource: Resource = Resource.create({"service.name": SERVICE, "onramp_app.role": role})
        queue: dict[str, Any] = {
            "schedule_delay_millis": SEND_EVERY_SECONDS * 1000,
            "max_export_batch_size": AT_ONCE,
            "max_queue_size": MOST_WAITING,
        }
        to: dict[str, Any] = {"session": session, "timeout": SEND_SECONDS}
        spans: Any = _Noting(OTLPSpanExporter(f"{base}/v1/traces", **to))
        lines: Any = _Noting(OTLPLogExporter(f"{base}/v1/logs", **to))
        self._spans: BatchSpanProcessor = BatchSpanProcessor(spans, **queue)
        self._lines: BatchLogRecordProcessor = BatchLogRecordProcessor(lines, **queue)

    def send_span(self, span: Span) -> None:
        """Queue a span; never blocks and never fails."""
        self._spans.on_end(_sdk_span(span, self._resource))

    def send_line(self, line: Mapping[str, Any]) -> None:
        """Queue a line of the log; never blocks and never fails."""
        self._lines.on_emit(_sdk_line(line, self._resource))

    def close(self) -> None:
        """Send what is queued, within two seconds. The rest is lost: shutdown does not wait longer."""
        closing = [threading.Thread(target=one.shutdown, daemon=True) for one in (self._spans, self._lines)]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(CLOSE_SECONDS / len(closing))


class _Noting:
    """Wraps an exporter, and ends the fault once the collector accepts data again."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    def export(self, batch: Sequence[Any]) -> Any:
        result = self._exporter.export(batch)
        if result.name == "SUCCESS":
            _away.over()
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exporter, name)


def _sdk_span(span: Span, resource: "Resource") -> Any:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

    def context(span_id: str) -> SpanContext:
        return SpanContext(
            int(span.trace.trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1)
        )

    return ReadableSpan(
        name=span.name,
        context=context(span.trace.span_id),
        parent=context(span.parent_id) if span.parent_id else None,
        resource=resource,
        attributes=dict(span.values),
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
        start_time=span.began_ns,
        end_time=span.ended_ns,
        instrumentation_scope=InstrumentationScope(SERVICE),
    )


def _sdk_line(line: Mapping[str, Any], resource: "Resource") -> Any:
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import TraceFlags

    fields = {name: _value(value) for name, value in line.items() if value is not None}
    level = str(fields.pop("level", "info"))
    body, logger = fields.pop("event", ""), str(fields.pop("logger", SERVICE))
    trace_id = str(fields.get("trace_id", ""))
    now = time_ns()
    record = LogRecord(
        timestamp=now,
        observed_timestamp=now,
        trace_id=int(trace_id, 16) if trace.is_trace_id(trace_id) else 0,
        span_id=0,
        trace_flags=TraceFlags(1),
        severity_text=level,
        severity_number=SeverityNumber(_SEVERITIES.get(level, 9)),
        body=body,
        attributes=fields,
    )
    return ReadWriteLogRecord(record, resource=resource, instrumentation_scope=InstrumentationScope(logger))


def _value(value: object) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else str(value)
