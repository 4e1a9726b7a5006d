"""A receiver of traces (OTLP over HTTP, protobuf) that keeps them in memory."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # its stubs are a package of their own
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

_PROTOBUF = "application/x-protobuf"
_MAX_BODY = 64 << 20


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it arrived. Ids are lower-case hex, times nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    kind: str
    start_ns: int
    end_ns: int
    failed: bool
    attributes: Mapping[str, Any]
    links: tuple[str, ...] = ()
    """Span ids."""
    resource: Mapping[str, Any] = field(default_factory=dict)


class OtlpReceiver:
    """What was received, in order of arrival."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        self._spans: list[ReceivedSpan] = []

    def spans(self, trace_id: str | None = None) -> list[ReceivedSpan]:
        """Those of one trace, or all."""
        return [span for span in self._spans if trace_id is None or span.trace_id == trace_id]

    def services(self, trace_id: str) -> Counter[str]:
        """How many spans of a trace each service sent."""
        return Counter(span.service for span in self.spans(trace_id))

    def env(self) -> dict[str, str]:
        """The settings that make a service send every span here, and soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_TRACES_SAMPLER": "parentbased_always_on",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }

    async def receive(self, request: web.Request) -> web.Response:
        """`POST /v1/traces`."""
        if request.content_type != _PROTOBUF:
            return web.Response(status=415)
        export = ExportTraceServiceRequest()
        try:
            export.ParseFromString(await request.read())
        except DecodeError:
            return web.Response(status=400)
        self._spans.extend(_spans(export))
        return web.Response(body=ExportTraceServiceResponse().SerializeToString(), content_type=_PROTOBUF)


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[OtlpReceiver]:
    """A receiver on the loopback address, on any free port unless one is named."""
    app = web.Application(client_max_size=_MAX_BODY)
    runner = web.AppRunner(app, access_log=None)
    receiver = OtlpReceiver("")
    app.router.add_post("/v1/traces", receiver.receive)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        receiver.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield receiver
    finally:
        await runner.cleanup()


def _spans(export: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for of_resource in export.resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield _span(span, resource)


def _span(span: trace_pb2.Span, resource: Mapping[str, Any]) -> ReceivedSpan:
    return ReceivedSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        service=str(resource.get("service.name", "")),
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        attributes=_attributes(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
        resource=resource,
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:  # noqa: ANN401 - anything that an attribute can hold
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)
