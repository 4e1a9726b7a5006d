"""The receiver of traces keeps what OpenTelemetry's own exporter sends."""

import asyncio

import aiohttp
from closet_devstack.otlp import OtlpReceiver
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode


async def test_spans_arrive_with_their_edges_and_attributes(otlp: OtlpReceiver) -> None:
    exporter = OTLPSpanExporter(f"{otlp.endpoint}/v1/traces", compression=Compression.Gzip)
    provider = TracerProvider(resource=Resource.create({"service.name": "billing-meter"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def work() -> None:
        tracer = provider.get_tracer("test")
        with (
            tracer.start_as_current_span("outer", kind=SpanKind.SERVER),
            tracer.start_as_current_span("inner", attributes={"n": 3, "list": ["a", "b"]}) as inner,
        ):
            inner.set_status(Status(StatusCode.ERROR))
        provider.shutdown()

    await asyncio.to_thread(work)
    inner, outer = otlp.spans()
    assert (outer.name, outer.kind, outer.parent_id, outer.failed) == ("outer", "server", None, False)
    assert (inner.parent_id, inner.trace_id, inner.failed) == (outer.span_id, outer.trace_id, True)
    assert inner.attributes == {"n": 3, "list": ["a", "b"]}
    assert otlp.services(outer.trace_id) == {"billing-meter": 2}
    assert inner.start_ns <= inner.end_ns


async def test_what_is_no_trace_is_refused(otlp: OtlpReceiver) -> None:
    url = f"{otlp.endpoint}/v1/traces"
    async with aiohttp.ClientSession() as session:
        for kind, status in (("application/json", 415), ("application/x-protobuf", 400)):
            async with session.post(url, data=b"\xff\xff", headers={"Content-Type": kind}) as response:
                assert response.status == status
