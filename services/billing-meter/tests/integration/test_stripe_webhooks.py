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
    office: Any, raw: bytes, *, secret: str | None = None, at: float = 0, kind: str = JSON
) -> tuple[int, dict[str, Any]]:
    signed = signature(raw, secret or office.secret, int(time.time() + at))
    status, body = await office.post(raw, **{"Content-Type": kind, "Stripe-Signature": signed})
    return status, body


async def kept(office: Any) -> list[tuple[str, str]]:
    rows = await office.counter.pool.fetch("SELECT work_id, state FROM stripe_work ORDER BY 1")
    return [tuple(row) for row in rows]


async def test_a_signed_event_is_stored_once_and_received(office: Any) -> None:
    for _ in range(3):
        assert await send(office, event()) == (200, {"received": True})
    assert await kept(office) == [("evt_1", "ignored")]
    body = await office.counter.pool.fetchval("SELECT body -> 'event' FROM stripe_work")
    assert body == orjson.loads(event())


@pytest.mark.parametrize(
    "data",
    [{"object": {"object": "balance", "available": []}}, {"object": {"id": None}}, {"object": None}, {}, None],
    ids=["no id", "null", "no object", "no data", "null data"],
)
@pytest.mark.parametrize("kind", ["balance.available", "charge.refunded"])
async def test_an_event_about_what_has_no_id_is_kept_and_left_alone(office: Any, kind: str, data: Any) -> None:
    """Stripe would repeat one that is refused for days."""
    raw = orjson.dumps({"id": "evt_7", "type": kind, "data": data})
    for _ in range(2):
        assert await send(office, raw) == (200, {"received": True})
    assert await kept(office) == [("evt_7", "ignored")]


async def test_a_little_clock_skew_is_no_crime(office: Any) -> None:
    assert (await send(office, event(1), at=-240))[0] == 200
    assert (await send(office, event(2), at=240))[0] == 200


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
async def test_others_are_refused_and_leave_no_trace(office: Any, wrong: Any, status: int, code: str) -> None:
    answered, problem = await send(office, **{"raw": event(), **wrong})
    assert (answered, problem["code"]) == (status, code)
    assert await kept(office) == []


@pytest.mark.parametrize("header", ["", "t=1", "v1=abc", "t=x,v1=abc", "nonsense"])
async def test_no_signature_at_all_is_a_bad_one(office: Any, header: str) -> None:
    status, problem = await office.post(event(), **{"Content-Type": JSON, "Stripe-Signature": header})
    assert (status, problem["code"]) == (400, "invalid_signature")


async def test_a_changed_body_does_not_fit_its_signature(office: Any) -> None:
    signed = signature(event(1), office.secret, int(time.time()))
    status, _ = await office.post(event(2), **{"Content-Type": JSON, "Stripe-Signature": signed})
    assert status == 400


async def test_repeated_and_reordered_events_book_a_topup_once(office: Any) -> None:
    """Paid, refunded in two parts and disputed; told thrice each, the last one first."""
    await office.sandbox.change(repeat_webhooks=2, reverse_webhooks=True)
    topup = await office.begin(open_topup, "acme", "tenant:acme", 300)
    await office.work()
    (page,) = await office.sandbox.objects("checkout.session")
    await office.sandbox.pay(page["id"])
    payment = (await office.sandbox.objects("payment_intent"))[0]["id"]
    for amount in (500, 250):
        await office.stripe.refund(f"re-{amount}", payment, amount)
    await office.sandbox.dispute(payment, 1000)
    await office.sandbox.change(largest_page=1)
    assert await office.sandbox.release_webhooks() == 4
    await office.heard(4)
    assert await office.counter.stands() == (300 - 175, 0)
    reversed_ = await office.counter.pool.fetchval("SELECT reversed FROM topups WHERE topup_id = $1", topup.topup_id)
    assert reversed_ == 175
    await office.counter.pool.execute("UPDATE stripe_work SET state = 'due', due_at = now() WHERE kind = 'event'")
    await office.work()
    assert await office.counter.stands() == (300 - 175, 0)


async def test_an_event_about_what_is_gone_fails_and_shows(office: Any) -> None:
    raw = orjson.dumps({"id": "evt_9", "type": "charge.refunded", "data": {"object": {"id": "ch_unknown"}}})
    await send(office, raw)
    await office.work()
    assert await kept(office) == [("evt_9", "failed")]


@pytest.mark.parametrize("header", ["t=1,v1=\u00e9", "t=\u0661,v1=abc", "t=99999999999999999999,v1=abc", "t=1" * 2000])
async def test_an_odd_signature_is_a_bad_one(office: Any, header: str) -> None:
    status, problem = await office.post(event(), **{"Content-Type": JSON, "Stripe-Signature": header})
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
async def test_an_odd_event_is_no_fault_of_ours(office: Any, kind: str, odd: bytes) -> None:
    raw = b'{"id": "evt_1", "type": "%s", "data": {"object": %s}}' % (kind.encode(), odd)
    status, body = await send(office, raw)
    assert (status, body.get("code")) in {(200, None), (400, "unreadable_webhook")}
