"""A stand-in for an OpenTelemetry collector: decodes OTLP over HTTP and keeps what it receives."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Sent:
    """One span or log line that arrived. `parent` is empty for log lines and for root spans."""

    name: str
    trace: str
    span: str
    parent: str
    values: dict[str, Any]
    resource: dict[str, Any]


@dataclass
class Collector:
    url: str = ""
    spans: list[Sent] = field(default_factory=list)
    lines: list[Sent] = field(default_factory=list)


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def _take(collector: Collector, path: str, body: bytes) -> None:
    if path == "/v1/traces":
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            collector.spans += [
                Sent(
                    one.name,
                    one.trace_id.hex(),
                    one.span_id.hex(),
                    one.parent_span_id.hex(),
                    _values(one.attributes),
                    _values(group.resource.attributes),
                )
                for scope in group.scope_spans
                for one in scope.spans
            ]
        return
    assert path == "/v1/logs"
    for group in ExportLogsServiceRequest.FromString(body).resource_logs:
        collector.lines += [
            Sent(
                one.body.string_value,
                one.trace_id.hex(),
                "",
                "",
                _values(one.attributes) | {"level": one.severity_text},
                _values(group.resource.attributes),
            )
            for scope in group.scope_logs
            for one in scope.log_records
        ]


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Run a collector on a free port of this machine."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            _take(collector, self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()
