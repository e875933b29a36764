"""Structured logs: one format for our own lines and those of every library, each with its request id.

Nothing personal and nothing secret belongs into a log line; `_redact` is the net below that rule.
"""

import logging
import re
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET_KEY = re.compile(
    r"password|secret|token|authorization|cookie|api_?key|signature|otp|dsn|database_url|redis_url|smtp_url",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+"  # a JSON Web Token
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # credentials in an address
    r"|(?i:(?<=bearer )\S+)"
    r"|(?i:(?<=cookie: )[^\r\n]+)"
)
_REDACTED = "[redacted]"


def _redact(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    for key, value in event_dict.items():
        if _SECRET_KEY.search(key):
            event_dict[key] = _REDACTED
        elif isinstance(value, str):
            event_dict[key] = _SECRET_TEXT.sub(_REDACTED, value)
    return event_dict


def configure_logs(*, level: str, style: Literal["console", "json"]) -> None:
    """Send all logs of the process to standard error in one format. Calling it again replaces the set-up.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        style: `console` for a person who reads along, `json` for a collector (one object a line).
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    # Exceptions become text before redaction, so that a secret inside a traceback is found as well.
    exceptions: list[Processor] = [structlog.processors.format_exc_info]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *exceptions,
                _redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "alembic.runtime.plugins", "socketio.server", "engineio.server"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # At debug it writes out every row that it reads, e-mails and password hashes included.
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)
