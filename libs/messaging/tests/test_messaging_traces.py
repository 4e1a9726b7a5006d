from collections.abc import Iterator
from typing import Any

import pytest
from closet_chassis.telemetry import span_from, tracer
from closet_contracts.credit import CreditReleased
from closet_contracts.envelope import Event
from closet_contracts.job import JobFailed
from closet_contracts.ownership import Service
from closet_contracts.rpc import SignedGets, SignGet
from closet_devstack.testing import eventually
from closet_messaging import outbox
from closet_messaging.transaction import Tx, transaction
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from .conftest import TENANT, Crash, House, failed, ignore, released


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    tracer.cache_clear()
    yield exporter
    tracer.cache_clear()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def parent(span: ReadableSpan) -> int:
    assert span.parent is not None
    return int(span.parent.span_id)


def own(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


async def test_a_trace_goes_through_outbox_and_consumer_to_the_events_that_follow(
    house: House, spans: InMemorySpanExporter
) -> None:
    async def release(tx: Tx, event: Event[Any]) -> None:
        outbox.add(tx, released(event.correlationid), tenant=event.tenantid, cause=event)

    received: list[Event[Any]] = []

    async def note(_tx: Tx, event: Event[Any]) -> None:
        received.append(event)

    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)
    await house.open(Service.BILLING_METER, {JobFailed: release})
    await house.open(Service.KIOSK_GATEWAY, {CreditReleased: note})
    with span_from(None, "cause"):
        async with orchestrator.bus.transaction() as tx:
            cause = outbox.add(tx, failed(), tenant=TENANT)
    await eventually(lambda: received and f"process {CreditReleased.TYPE}" in by_name(spans))

    finished = spans.get_finished_spans()
    found = by_name(spans)
    # Billing and the gateway both read it.
    first = [span for span in finished if span.name == f"process {JobFailed.TYPE}"]
    assert [parent(span) for span in first] == [own(found["cause"])] * 2
    assert parent(found[f"process {CreditReleased.TYPE}"]) in {own(span) for span in first}
    assert received[0].causationid == cause.id
    assert len({span.context.trace_id for span in finished if span.context}) == 1


async def test_a_row_that_a_sweeper_publishes_keeps_its_trace(house: House, spans: InMemorySpanExporter) -> None:
    await house.open(handlers={JobFailed: ignore})
    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)

    with span_from(None, "cause"):
        async with transaction(orchestrator.pool, Crash()) as tx:
            outbox.add(tx, failed(), tenant=TENANT)
    await orchestrator.pool.execute("UPDATE outbox SET created_at = created_at - interval '1 minute'")
    await eventually(lambda: f"process {JobFailed.TYPE}" in by_name(spans))
    found = by_name(spans)
    assert parent(found[f"process {JobFailed.TYPE}"]) == own(found["cause"])


async def test_a_trace_goes_through_a_request(house: House, spans: InMemorySpanExporter) -> None:
    async def sign(_request: SignGet) -> SignedGets:
        return SignedGets(urls=(), expires_in=1)

    await house.open(Service.UPLOAD_SIGNER, requests={SignGet: sign})
    gateway = await house.open(Service.KIOSK_GATEWAY)
    with span_from(None, "cause"):
        await gateway.bus.ask(SignGet(tenant_id=TENANT, keys=("a",)))
    found = by_name(spans)
    asked, answered = found[f"ask {SignGet.SUBJECT}"], found[f"answer {SignGet.SUBJECT}"]
    assert parent(asked) == own(found["cause"])
    assert parent(answered) == own(asked)
