"""Stripe's webhooks: which are taken, and that none moves money twice, in whatever order they come."""

import time
from typing import Any

import orjson
import pytest
from billing_meter.handlers.stripe import open_topup
from closet_devstack.sandbox.stripe.webhooks import signature

JSON = "application/json; charset=utf-8"


def event(number: int = 1, kind: str = "plan.created") -> bytes:
    return orjson.dumps({"id": f"evt_{number}", "type": kind, "data": {"object": {"id": "plan_1"}}})


async def send(
    harness: Any, raw: bytes, *, secret: str | None = None, at: float = 0, kind: str = JSON
) -> tuple[int, dict[str, Any]]:
    signed = signature(raw, secret or harness.secret, int(time.time() + at))
    status, body = await harness.post(raw, **{"Content-Type": kind, "Stripe-Signature": signed})
    return status, body


async def kept(harness: Any) -> list[tuple[str, str]]:
    rows = await harness.ledger.pool.fetch("SELECT work_id, state FROM stripe_work ORDER BY 1")
    return [tuple(row) for row in rows]


async def test_a_signed_event_is_stored_once_and_received(harness: Any) -> None:
    for _ in range(3):
        assert await send(harness, event()) == (200, {"received": True})
    assert await kept(harness) == [("evt_1", "ignored")]
    body = await harness.ledger.pool.fetchval("SELECT body -> 'event' FROM stripe_work")
    assert body == orjson.loads(event())


@pytest.mark.parametrize(
    "data",
    [{"object": {"object": "balance", "available": []}}, {"object": {"id": None}}, {"object": None}, {}, None],
    ids=["no id", "null", "no object", "no data", "null data"],
)
@pytest.mark.parametrize("kind", ["balance.available", "charge.refunded"])
async def test_an_event_about_what_has_no_id_is_kept_and_left_alone(harness: Any, kind: str, data: Any) -> None:
    """Stripe would repeat one that is refused for days."""
    raw = orjson.dumps({"id": "evt_7", "type": kind, "data": data})
    for _ in range(2):
        assert await send(harness, raw) == (200, {"received": True})
    assert await kept(harness) == [("evt_7", "ignored")]


async def test_a_little_clock_skew_is_no_crime(harness: Any) -> None:
    assert (await send(harness, event(1), at=-240))[0] == 200
    assert (await send(harness, event(2), at=240))[0] == 200


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"secret": "whsec_forged"}, 400, "invalid_signature"),
        ({"at": -310}, 400, "invalid_signature"),
        ({"at": 310}, 400, "invalid_signature"),
        ({"raw": b"[]"}, 400, "unreadable_webhook"),
        ({"raw": b"not JSON"}, 400, "unreadable_webhook"),
        ({"raw": orjson.dumps({"id": 7, "type": "x", "data": {"object": {"id": "y"}}})}, 400, "unreadable_webhook"),
        ({"raw": event() + b" " * (256 * 1024)}, 413, "body_too_large"),
        ({"kind": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        ({"raw": b"\xff\xfe"}, 400, "invalid_signature"),
    ],
    ids=["forged", "stale", "future", "array", "text", "id", "oversized", "form", "bytes"],
)
async def test_others_are_refused_and_leave_no_trace(harness: Any, wrong: Any, status: int, code: str) -> None:
    answered, problem = await send(harness, **{"raw": event(), **wrong})
    assert (answered, problem["code"]) == (status, code)
    assert await kept(harness) == []


@pytest.mark.parametrize("header", ["", "t=1", "v1=abc", "t=x,v1=abc", "nonsense"])
async def test_no_signature_at_all_is_a_bad_one(harness: Any, header: str) -> None:
    status, problem = await harness.post(event(), **{"Content-Type": JSON, "Stripe-Signature": header})
    assert (status, problem["code"]) == (400, "invalid_signature")


async def test_a_changed_body_does_not_fit_its_signature(harness: Any) -> None:
    signed = signature(event(1), harness.secret, int(time.time()))
    status, _ = await harness.post(event(2), **{"Content-Type": JSON, "Stripe-Signature": signed})
    assert status == 400


async def test_repeated_and_reordered_events_book_a_topup_once(harness: Any) -> None:
    """Paid, refunded in two parts and disputed; told thrice each, the last one first."""
    await harness.sandbox.change(repeat_webhooks=2, reverse_webhooks=True)
    topup = await harness.begin(open_topup, "acme", "tenant:acme", 300)
    await harness.work()
    (page,) = await harness.sandbox.objects("checkout.session")
    await harness.sandbox.pay(page["id"])
    payment = (await harness.sandbox.objects("payment_intent"))[0]["id"]
    for amount in (500, 250):
        await harness.stripe.refund(f"re-{amount}", payment, amount)
    await harness.sandbox.dispute(payment, 1000)
    await harness.sandbox.change(largest_page=1)
    assert await harness.sandbox.release_webhooks() == 4
    await harness.work_after(4)
    assert await harness.ledger.read_balance() == (300 - 175, 0)
    reversed_ = await harness.ledger.pool.fetchval("SELECT reversed FROM topups WHERE topup_id = $1", topup.topup_id)
    assert reversed_ == 175
    await harness.ledger.pool.execute("UPDATE stripe_work SET state = 'due', due_at = now() WHERE kind = 'event'")
    await harness.work()
    assert await harness.ledger.read_balance() == (300 - 175, 0)


async def test_an_event_about_what_is_gone_fails_and_shows(harness: Any) -> None:
    raw = orjson.dumps({"id": "evt_9", "type": "charge.refunded", "data": {"object": {"id": "ch_unknown"}}})
    await send(harness, raw)
    await harness.work()
    assert await kept(harness) == [("evt_9", "failed")]


@pytest.mark.parametrize("header", ["t=1,v1=\u00e9", "t=\u0661,v1=abc", "t=99999999999999999999,v1=abc", "t=1" * 2000])
async def test_an_odd_signature_is_a_bad_one(harness: Any, header: str) -> None:
    status, problem = await harness.post(event(), **{"Content-Type": JSON, "Stripe-Signature": header})
    assert (status, problem["code"]) == (400, "invalid_signature")


ODD = {
    "deep": b'{"id": "o", "metadata": ' + b"[" * 900 + b"]" * 900 + b"}",
    "too deep": b'{"id": "o", "metadata": ' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    "not a number": b'{"id": "o", "amount": NaN}',
    "endless": b'{"id": "o", "amount": 1e999}',
    "huge": b'{"id": "o", "amount": ' + b"9" * 5000 + b"}",
    "NUL": b'{"id": "o", "metadata": {"a": "\\u0000"}}',
    "half a character": b'{"id": "o", "metadata": {"a": "\\ud800"}}',
    "array": b'["o"]',
    "text": b'"o"',
    "null": b"null",
    "arrays within": b'{"id": "o", "metadata": [], "items": [], "lines": [], "parent": [], "payment_intent": []}',
    "texts within": b'{"id": "o", "metadata": "", "items": "", "lines": "", "parent": "", "payment_intent": 7}',
}


@pytest.mark.parametrize("kind", ["plan.created", "customer.subscription.updated", "invoice.paid", "charge.refunded"])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_an_odd_event_is_no_fault_of_ours(harness: Any, kind: str, odd: bytes) -> None:
    raw = b'{"id": "evt_1", "type": "%s", "data": {"object": %s}}' % (kind.encode(), odd)
    status, body = await send(harness, raw)
    assert (status, body.get("code")) in {(200, None), (400, "unreadable_webhook")}
