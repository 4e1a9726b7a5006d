"""Traces: one tracer, W3C trace context in and out, and OTLP export where an endpoint is configured."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from closet_chassis.logs import setup_logging

__all__ = ["current_traceparent", "setup_logging", "setup_telemetry", "span_from", "tracer"]

FLUSH_TIMEOUT_S = 5.0
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_propagator = TraceContextTextMapPropagator()
_ROOT = otel_context.Context()


def setup_telemetry(service: str) -> Callable[[], None]:
    """Install the tracer provider of this process.

    Spans are exported by OTLP over HTTP when `OTEL_EXPORTER_OTLP_ENDPOINT` (or its `_TRACES_` form) is set. Without it
    nothing is recorded, yet spans still carry ids, so that logs can be joined and a caller's trace goes on.

    Returns:
        What to call at the end: sends what is left, for at most `FLUSH_TIMEOUT_S`.
    """
    exporting = any(os.environ.get(name) for name in _ENDPOINTS)
    os.environ.setdefault("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")  # the SDK's own default ignores a ratio
    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.instance.id": str(uuid4())}),
        sampler=None if exporting else ParentBasedTraceIdRatio(0.0),
        shutdown_on_exit=False,
    )
    if exporting:
        _export_from(provider)
    trace.set_tracer_provider(provider)
    return lambda: _within(FLUSH_TIMEOUT_S, provider.shutdown)


@cache
def tracer() -> trace.Tracer:
    """The tracer of everything in Closet."""
    return trace.get_tracer("closet")


def current_traceparent() -> str | None:
    """The current span as a `traceparent` value, to be carried in a header, an event or a row."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span_from(
    traceparent: str | None,
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Iterator[Span]:
    """A current span whose parent came from elsewhere; without (a valid) one it begins a trace of its own.

    An exception marks the span failed by its class. Its text stays out: it may quote personal data or a signed URL.
    """
    parent = _propagator.extract({"traceparent": traceparent}, _ROOT) if traceparent else _ROOT
    with tracer().start_as_current_span(
        name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            fail_span(span, type(error).__name__)
            raise


def fail_span(span: Span, error_type: str) -> None:
    """Mark `span` failed without saying more than the kind of error."""
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR))


def _export_from(provider: TracerProvider) -> None:
    # Only here: the exporter and protobuf take several MB that a process without a collector need not hold.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 see above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 see above

    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


def _within(seconds: float, action: Callable[[], None]) -> None:
    thread = threading.Thread(target=action, name="telemetry-flush", daemon=True)
    thread.start()
    thread.join(seconds)
