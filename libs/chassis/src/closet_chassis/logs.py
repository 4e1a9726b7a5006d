"""Structured logs: one JSON object a line on stderr, with trace ids and without personal data."""

import json
import logging
import sys
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from opentelemetry import trace
from structlog.typing import EventDict, Processor

from closet_chassis.redaction import redact

_NOISY = ("asyncio", "aiohttp.access", "urllib3", "botocore", "opentelemetry")


def setup_logging(service: str, level: str = "INFO") -> None:
    """Send structlog's and the standard library's records to stderr as JSON lines.

    Fields: ts, level, event, service, trace_id and span_id inside a span, and whatever the call adds.
    """

    def add_service(_logger: object, _name: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

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
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    _route_standard_logging(number, shared)


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


def _route_standard_logging(level: int, shared: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
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
