import subprocess
import sys

import pytest
from closet_chassis import telemetry
from closet_chassis.telemetry import current_traceparent, span_from
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_span_continues_the_trace_it_is_given(spans: InMemorySpanExporter) -> None:
    with span_from(PARENT, "process", SpanKind.CONSUMER, {"job": "j"}):
        assert (current_traceparent() or "").startswith(f"00-{TRACE}-")
    (span,) = spans.get_finished_spans()
    assert span.parent is not None
    assert (span.parent.span_id, span.kind, dict(span.attributes or {})) == (
        0xB7AD6B7169203331,
        SpanKind.CONSUMER,
        {"job": "j"},
    )


@pytest.mark.parametrize("given", [None, "", "nonsense", f"00-{'0' * 32}-{'0' * 16}-01"])
def test_without_a_valid_parent_a_span_begins_a_trace_even_inside_another(
    spans: InMemorySpanExporter, given: str | None
) -> None:
    with span_from(PARENT, "outer"), span_from(given, "inner"):
        pass
    inner = spans.get_finished_spans()[0]
    assert inner.parent is None
    assert inner.context.trace_id != int(TRACE, 16)


def test_spans_inside_are_children(spans: InMemorySpanExporter) -> None:
    with span_from(PARENT, "outer"), telemetry.tracer().start_as_current_span("inner"):
        pass
    inner, outer = spans.get_finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id


def test_a_failed_span_names_the_error_and_not_its_text(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="geheim"), span_from(None, "work"):
        raise ValueError("https://s3/x?sig=geheim")
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert "geheim" not in span.to_json()


def test_outside_a_span_there_is_no_traceparent() -> None:
    assert current_traceparent() is None


SCRIPT = """
import sys
from closet_chassis.telemetry import current_traceparent, setup_telemetry, span_from
shutdown = setup_telemetry("svc")
with span_from(None, "root") as span:
    print(span.is_recording(), int(current_traceparent()[-2:], 16) & 1, any("otlp" in name for name in sys.modules))
shutdown()
"""


def run(**environment: str) -> list[str]:
    done = subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_without_an_endpoint_nothing_is_recorded_yet_ids_exist() -> None:
    assert run() == ["False", "0", "False"]


def test_the_exporter_is_loaded_and_the_ratio_kept_when_there_is_an_endpoint() -> None:
    endpoint = "http://127.0.0.1:9"  # nobody listens: stopping must not hang on it
    assert run(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) == ["True", "1", "True"]
    assert run(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_TRACES_SAMPLER_ARG="0") == ["False", "0", "True"]
    assert run(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_TRACES_SAMPLER="always_off") == ["False", "0", "True"]
