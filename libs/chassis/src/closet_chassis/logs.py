"""Structured logs: one JSON object a line on stderr, with trace ids and without personal data."""

import json
import logging
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from opentelemetry import trace
from prometheus_client import Counter
from structlog.typing import EventDict, Processor

from closet_chassis.redaction import redact

LOST = Counter("closet_log_lines_lost_total", "Log lines that could not be written")
_NOISY = ("asyncio", "aiohttp.access", "urllib3", "botocore", "opentelemetry")


class LogStream:
    """A text stream whose trouble is nobody else's: a full disk or a closed pipe must not fail what is being logged."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or lose the line and count it."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # ValueError: the stream is closed
            LOST.inc()
            return len(text)

    def flush(self) -> None:
        """Flush, or lose what could not be flushed."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def setup_logging(service: str, level: str = "INFO") -> None:
    """Send structlog's and the standard library's records to stderr as JSON lines.

    Fields: ts, level, event, service, trace_id and span_id inside a span, and whatever the call adds.
    """

    def add_service(_logger: object, _name: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    stream = LogStream(sys.stderr)
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        add_service,
        add_trace,
        structlog.processors.format_exc_info,
        redact_event,
    ]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", stream)),
        cache_logger_on_first_use=True,
    )
    _route_standard_logging(number, shared, stream)


def add_trace(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Name the trace and the span in which something was logged."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


def redact_event(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Keep secrets, personal data and signed URLs out."""
    redacted: dict[str, Any] = redact(event)
    return redacted


def render(_logger: object, _name: str, event: EventDict) -> str:
    """One line of JSON."""
    return json.dumps(event, default=str)  # takes what orjson refuses: a log line must never fail


def _route_standard_logging(level: int, shared: list[Processor], stream: LogStream) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.getLogger("aiohttp.server").addFilter(_leave_the_client_out)


def _leave_the_client_out(record: logging.LogRecord) -> bool:
    """The server names the client's address; of what is not HTTP it quotes the line, which may well hold a token."""
    text, client, _ = str(record.msg).partition(" from %s")
    if client:
        record.msg, record.args = text, ()
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):  # anybody can cause it, so it is no error of ours
        record.msg, record.exc_info = f"request_malformed: {type(error).__name__}", None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True
