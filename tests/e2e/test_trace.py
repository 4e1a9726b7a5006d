"""One try-on is one trace, from the client's POST to the captured credits, across all five services."""

import secrets

import pytest
from closet_contracts.ownership import Service
from closet_devstack.otlp import OtlpReceiver, ReceivedSpan
from closet_devstack.shop import Shop, settled, upload_samples
from closet_devstack.testing import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

EDGES = {
    ("kiosk-gateway", "POST /api/gen/tryon", "job-orchestrator", "process closet.generation.requested.v1"),
    ("job-orchestrator", "process closet.generation.requested.v1", "billing-meter", "process closet.job.accepted.v1"),
    ("job-orchestrator", "process closet.generation.requested.v1", "upload-signer", "process closet.job.accepted.v1"),
    ("billing-meter", "process closet.job.accepted.v1", "job-orchestrator", "process closet.credit.held.v1"),
    ("job-orchestrator", "process closet.render.succeeded.v1", "billing-meter", "process closet.job.completed.v1"),
    ("billing-meter", "process closet.job.completed.v1", "kiosk-gateway", "process closet.credit.captured.v1"),
}
"""Parent's service and name, child's service and name."""


def edges(spans: list[ReceivedSpan]) -> set[tuple[str, str, str, str]]:
    by_id = {span.span_id: span for span in spans}
    parents = [(by_id[span.parent_id], span) for span in spans if span.parent_id in by_id]
    return {(parent.service, parent.name, child.service, child.name) for parent, child in parents}


async def test_one_try_on_is_one_trace(shop: Shop, traces: OtlpReceiver) -> None:
    trace_id, client_span = secrets.token_hex(16), secrets.token_hex(8)
    async with shop.shopper(traceparent=f"00-{trace_id}-{client_span}-01") as traced, shop.shopper() as untraced:
        await untraced.give_consent()
        inputs = await upload_samples(untraced)
        created = await traced.try_on(*inputs)
        await settled(untraced, created.job_id)

    def whole() -> list[ReceivedSpan]:
        """Every span hangs on the client's: each process sends its own when it likes, a parent after its child too."""
        spans = traces.spans(trace_id)
        known = {span.span_id for span in spans} | {client_span}
        assert edges(spans) >= EDGES
        assert {span.name for span in spans if span.parent_id not in known} == set()
        return spans

    spans = await eventually(whole)
    assert {span.service for span in spans} == set(Service)
    dispatches = [span for span in spans if span.name == "process closet.job.dispatched.v1"]
    assert {span.service for span in dispatches} == {"perfect-adapter", "kiosk-gateway"}
    assert not any(span.failed for span in spans)


async def test_spans_hold_no_personal_data_and_no_signed_url(shop: Shop, traces: OtlpReceiver) -> None:
    trace_id = secrets.token_hex(16)
    async with shop.shopper("shopper-jane", traceparent=f"00-{trace_id}-{secrets.token_hex(8)}-01") as client:
        await client.give_consent()
        await settled(client, (await client.try_on(*await upload_samples(client))).job_id)
    spans = await eventually(lambda: [span for span in traces.spans(trace_id) if span.service == "perfect-adapter"])
    told = " ".join(f"{span.name} {span.attributes}" for span in spans + traces.spans(trace_id))
    assert "X-Amz-Signature" not in told
    assert "shopper-jane" not in told
    assert shop.tenant.api_key not in told
