"""Structured logs: one format for the application and every library, each with its request id.

All lines of a process leave through one handler: a library's own would pass by the redaction.

Nothing personal and nothing secret belongs into a log line; `_redact` is the net below that rule.
"""

import logging
import multiprocessing
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_NAME = r"(?:password|passwd|pwd|secret|token|authorization|cookie|signature|api[_-]?key|otp)"
_SECRET_KEY = re.compile(_NAME + r"|dsn|database_url|redis_url|smtp_url", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"eyJ[\w-]{8,1024}\.[\w-]+\.[\w-]+"  # a JSON Web Token; the bound keeps hostile texts cheap
    r"|(?<=://)[^/\s:@]*:[^/\s]+(?=@)"  # credentials in an address
    r"|(?i:(?<=bearer )\S+)"
    r"|(?i:(?<=cookie: )[^\r\n]+)"
)
# A secret behind its name: in a mapping or a list of headers that was written out, in a query, in a header.
# In quotes it goes to their end, or that of the text; otherwise to what cannot be part of it.
_SECRET_FIELD = re.compile(
    rf"""({_NAME}["']?\s?(?:[:=]|,(?=\s?b?["'])|%3D)\s?)"""
    r"""(?:b?"(?:[^"\\]|\\.)*"?|b?'(?:[^'\\]|\\.)*'?|[^\s"'&;,%][^"'&;,%\r\n]*)""",
    re.IGNORECASE,
)
# Reflex writes whole events into its messages and errors: the handshake with its cookie, and what was
# typed. None of it has an end that could be found, so the text ends before it.
_EVENT_TEXT = re.compile(
    r"(?:router_data|payload|input_value)['\"]?\s*[=:]|event data|event payload", re.IGNORECASE
)
_SECRET_HEADER = re.compile(rf"[\w-]{{0,40}}{_NAME}[\w-]{{0,20}}", re.IGNORECASE)
_REDACTED = "[redacted]"
_MAX_TEXT_LENGTH = 8_000
_MAX_DEPTH = 6


def _clean_text(text: str) -> str:
    if event := _EVENT_TEXT.search(text):
        text = text[: event.start()] + _REDACTED
    text = _SECRET_FIELD.sub(rf"\1{_REDACTED}", _SECRET_TEXT.sub(_REDACTED, text))
    if len(text) > _MAX_TEXT_LENGTH:  # A traceback says what it is at its end.
        text = f"{text[: _MAX_TEXT_LENGTH // 2]} [cut] {text[-_MAX_TEXT_LENGTH // 2 :]}"
    return text


def _clean(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        return {
            key: _REDACTED if _SECRET_KEY.search(str(key)) else _clean(inner, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple) and len(value) == 2 and _is_header(value[0]):
        return [_clean_text(str(value[0])), _REDACTED]
    if isinstance(value, list | tuple | set | frozenset) and depth < _MAX_DEPTH:
        return [_clean(inner, depth + 1) for inner in value]
    return _clean_text(repr(value))  # as the renderers would write it


def _is_header(name: object) -> bool:
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    return isinstance(text, str) and bool(_SECRET_HEADER.fullmatch(text))


def _redact(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    return dict(_clean(event_dict))


def _take_over() -> None:
    # Under `reflex run` Reflex gives its loggers handlers of their own, and so do Granian and uvicorn.
    # Without this variable Reflex does not do so again in this process.
    os.environ.pop("REFLEX_MANAGED_LOGGING", None)
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.handlers = []
            logger.propagate = True
    logging.getLogger("reflex").setLevel(logging.NOTSET)


def configure_logs(*, level: str, style: Literal["console", "json"]) -> None:
    """Send all logs of the process to standard error in one format. Calling it again replaces the set-up.

    A server sets up its own loggers before it asks for the application, so this is called there once more.
    The process of the `reflex` command serves nobody and keeps its own look; its children do serve.

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
    logging.captureWarnings(capture=True)  # they quote the line of code, and what a library puts into them
    for noisy in ("httpx", "httpcore", "alembic.runtime.plugins", "socketio.server", "engineio.server"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if "reflex.reflex" in sys.modules and multiprocessing.parent_process() is None:
        os.register_at_fork(after_in_child=_take_over)
    else:
        _take_over()
