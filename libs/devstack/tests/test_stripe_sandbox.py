"""Stripe's sandbox behaves as Stripe's documents say, by the official library where that matters."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import stripe
from closet_devstack.sandbox.stripe.remote import Remote
from closet_devstack.sandbox.stripe.webhooks import signature
from closet_devstack.servers.stripe import StripeServer


@pytest.fixture(scope="module")
def server(devstack_folder: Path) -> Iterator[StripeServer]:
    one = StripeServer(devstack_folder / "stripe-sandbox").start()
    yield one
    one.discard()


@pytest.fixture
async def call(server: StripeServer) -> AsyncIterator[Any]:
    await Remote(server.url).reset()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {server.api_key}"}) as session:

        async def call(method: str, path: str, key: str = "", **form: str) -> tuple[int, dict[str, Any]]:
            headers = {"Idempotency-Key": key} if key else {}
            url = f"{server.url}{path}"
            async with session.request(method, url, data=form or None, headers=headers) as response:
                return response.status, await response.json()

        yield call


async def test_the_same_key_gives_the_same_answer_and_another_body_is_refused(call: Any) -> None:
    _, first = await call("POST", "/v1/customers", "k", description="acme")
    assert await call("POST", "/v1/customers", "k", description="acme") == (200, first)
    status, refused = await call("POST", "/v1/customers", "k", description="zara")
    assert (status, refused["error"]["type"]) == (400, "idempotency_error")
    assert (await call("POST", "/v1/customers", description="acme"))[1]["id"] != first["id"]


async def test_a_refusal_is_remembered_by_its_key_too(call: Any) -> None:
    form = {"customer": "cus_none", "items[0][price]": "price_growth"}
    answers = [await call("POST", "/v1/subscriptions", "k", **form) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[0][1]["error"]["code"]) == (404, "resource_missing")


async def test_what_is_not_there_and_what_is_not_known(call: Any) -> None:
    for path in ("/v1/charges/ch_none", "/v1/unheard_of"):
        status, body = await call("GET", path)
        assert (status, body["error"]["type"]) == (404, "invalid_request_error")


async def test_a_wrong_key_is_401(server: StripeServer) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/v1/charges/x") as response:
        assert response.status == 401


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"timestamp": "-3110400"}, "timestamp_too_far_in_past"),
        ({"timestamp": "+600"}, "timestamp_in_future"),
        ({"event_name": "another"}, "no_meter"),
        ({"payload[value]": "many"}, "parameter_invalid_integer"),
    ],
    ids=["good", "past", "future", "meter", "value"],
)
async def test_usage_is_taken_once_within_its_windows(call: Any, change: dict[str, str], code: str | None) -> None:
    """A timestamp is given as seconds from now: tests are collected long before they run."""
    if "timestamp" in change:
        change = {**change, "timestamp": str(int(time.time()) + int(change["timestamp"]))}
    _, customer = await call("POST", "/v1/customers", description="acme")
    usage = {
        "event_name": "closet_credits",
        "identifier": "u-1",
        "payload[stripe_customer_id]": customer["id"],
        "payload[value]": "5",
        **change,
    }
    status, body = await call("POST", "/v1/billing/meter_events", **usage)
    assert (status, body.get("error", {}).get("code")) == (400 if code else 200, code)
    if code is None:
        again = await call("POST", "/v1/billing/meter_events", **usage)
        assert again[1]["error"]["code"] == "duplicate_meter_event"


async def test_a_lost_answer_was_done_and_no_answer_was_not(call: Any, server: StripeServer) -> None:
    remote = Remote(server.url)
    for kind, made in (("no_answer", 0), ("lost_answer", 1)):
        await remote.fault(kind)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await call("POST", "/v1/customers", description="acme")
        assert len(await remote.objects("customer")) == made
    await remote.fault("rate_limited")
    assert (await call("POST", "/v1/customers", description="acme"))[0] == 429


def test_the_official_library_accepts_its_signatures() -> None:
    raw = b'{"id": "evt_1"}'
    assert stripe.WebhookSignature.verify_header(raw, signature(raw, "whsec_x", int(time.time())), "whsec_x", 300)
