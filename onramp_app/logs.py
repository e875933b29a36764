"""Structured logs: one format for the application and every library, each with its request id.

All lines of a process leave through one handler: a library's own would pass by the redaction.

Nothing personal and nothing secret belongs into a log line; `_redact` is the net below that rule.
"""

import logging
import multiprocessing
import os
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from types import TracebackType
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_NAME = r"(?:password|passwd|pwd|secret|token|authorization|cookie|signature|api[_-]?key|otp)"
_SECRET_KEY = re.compile(_NAME + r"|dsn|database_url|redis_url|smtp_url", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"eyJ[\w-]{8,1024}\.[\w-]+\.[\w-]+"  # a JSON Web Token; the bound keeps hostile texts cheap
    r"|(?<=://)[^/\s:@]*:[^/\s]+(?=@)"  # credentials in an address
    r"|(?i:(?<=bearer )\S+)"
    r"|amk_[0-9A-Za-z]{8,128}"  # a key of a program of the operator's
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
_REPEAT_AFTER_SECONDS = 60.0
_MOST_KINDS = 256
_Kind = tuple[str, str, str, str]


def _clean_text(text: str) -> str:
    # Letters and digits alone are none of these, and most values of a line are nothing else.
    if text.isalnum() and len(text) <= _MAX_TEXT_LENGTH:
        return text
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
            key: _REDACTED if _is_secret(str(key)) else _clean(inner, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple) and len(value) == 2 and _is_header(value[0]):
        return [_clean_text(str(value[0])), _REDACTED]
    if isinstance(value, list | tuple | set | frozenset) and depth < _MAX_DEPTH:
        return [_clean(inner, depth + 1) for inner in value]
    return _clean_text(repr(value))  # as the renderers would write it


# The names in lines are few, and the same again and again.
@lru_cache(1_000)
def _is_secret(key: str) -> bool:
    return bool(_SECRET_KEY.search(key))


def _is_header(name: object) -> bool:
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    return isinstance(text, str) and bool(_SECRET_HEADER.fullmatch(text))


def _redact(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    return dict(_clean(event_dict))


@dataclass(slots=True)
class _Seen:
    shown_at: float
    left_out: int = 0


class OncePerMinute(logging.Filter):
    """Drops a record with an exception where one of its kind was let through within the last minute.

    The net below `telemetry.faults`: a fault in a loop, or in a library that logs by itself, fills no disk.

    A kind is the logger, the text, the type of the exception and the line that raised it. The record that
    comes after has `repeated`: how many were dropped. Records without an exception all pass.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: OrderedDict[_Kind, _Seen] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is to be written."""
        if (error := _exception_of(record)) is None:
            return True
        kind = (record.name, _text_of(record), type(error).__qualname__, _line_of(error.__traceback__))
        at = self._clock()
        seen = self._seen.get(kind)
        if seen is not None and at - seen.shown_at < _REPEAT_AFTER_SECONDS:
            seen.left_out += 1
            return False
        if seen is not None and seen.left_out:
            _add(record, seen.left_out)
        self._seen[kind] = _Seen(at)
        self._seen.move_to_end(kind)
        while len(self._seen) > _MOST_KINDS:
            self._seen.popitem(last=False)
        return True


def _exception_of(record: logging.LogRecord) -> BaseException | None:
    given: object = record.msg.get("exc_info") if isinstance(record.msg, dict) else record.exc_info
    if given is True:
        given = sys.exc_info()
    if isinstance(given, tuple) and len(given) == 3:
        given = given[1]
    return given if isinstance(given, BaseException) else None


def _text_of(record: logging.LogRecord) -> str:
    # Before its values are put in: each may be another one.
    return str(record.msg.get("event") if isinstance(record.msg, dict) else record.msg)


def _line_of(traceback: TracebackType | None) -> str:
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"


def _add(record: logging.LogRecord, left_out: int) -> None:
    if isinstance(record.msg, dict):
        record.msg["repeated"] = left_out
    else:
        record.repeated = left_out


def _take_over() -> None:
    # Under `reflex run` Reflex gives its loggers handlers of their own, and so do Granian and uvicorn.
    # Without this variable Reflex does not do so again in this process.
    os.environ.pop("REFLEX_MANAGED_LOGGING", None)
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.handlers = []
            logger.propagate = True
    logging.getLogger("reflex").setLevel(logging.NOTSET)


_sinks: list[Callable[[EventDict], None]] = []


def add_sink(sink: Callable[[EventDict], None]) -> None:
    """Give each line that is written to a function too, redacted; it must neither block nor raise."""
    _sinks.append(sink)


def remove_sink(sink: Callable[[EventDict], None]) -> None:
    """Undo `add_sink`."""
    _sinks.remove(sink)


class _ToSinks(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if _sinks:
            self.format(record)


def _pass_to_sinks(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> str:
    for sink in _sinks:
        sink(dict(event_dict))
    return ""


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

    def written_by(handler: logging.Handler, last: Processor) -> logging.Handler:
        handler.addFilter(OncePerMinute())
        handler.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *exceptions,
                    _redact,
                    last,
                ],
            )
        )
        return handler

    root = logging.getLogger()
    root.handlers = [
        written_by(logging.StreamHandler(sys.stderr), renderer),
        written_by(_ToSinks(), _pass_to_sinks),
    ]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)  # they quote the line of code, and what a library puts into them
    for noisy in ("httpx", "httpcore", "alembic.runtime.plugins", "socketio.server", "engineio.server"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if "reflex.reflex" in sys.modules and multiprocessing.parent_process() is None:
        os.register_at_fork(after_in_child=_take_over)
    else:
        _take_over()
