"""Webhooks: forged, stale, doubled, too early, lost; and ids that are too large for a number."""

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.render import RenderSucceeded
from closet_devstack.testing import eventually
from standardwebhooks import Webhook

ID = "918273645546372819001"


def message(secret: str, body: bytes, webhook_id: str = "msg_1", age_s: float = 0) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body.decode()),
        "Content-Type": "application/json",
    }


def body(task_id: str = f'"{ID}"', status: str = "success") -> bytes:
    return f'{{"created_at": 1, "data": {{"task_id": {task_id}, "task_status": "{status}"}}}}'.encode()


async def post(world: Any, replica: Any, content: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    async with world.session.post(f"{replica.url}/webhooks/perfect", data=content, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_a_good_one_is_stored_once_however_often_it_comes(
    start: Any, world: Any, pool: Pool, secret: str
) -> None:
    replicas = [await start(), await start()]
    headers = message(secret, body())
    for replica in (*replicas, *replicas):
        assert await post(world, replica, body(), headers) == (200, {"received": True})
    [row] = await pool.fetch("SELECT webhook_id, task_id, task_status, settled_at FROM webhooks")
    assert tuple(row) == ("msg_1", ID, "success", None)


async def test_an_id_that_is_a_number_keeps_all_its_digits(start: Any, world: Any, pool: Pool, secret: str) -> None:
    replica = await start()
    content = body(task_id=ID)
    await post(world, replica, content, message(secret, content))
    assert await pool.fetchval("SELECT task_id FROM webhooks") == ID


async def test_what_is_not_the_vendors_is_refused(start: Any, world: Any, pool: Pool, secret: str) -> None:
    replica = await start()
    other = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    good = message(secret, body())
    bad: list[tuple[bytes, dict[str, str]]] = [
        (body(), message(other, body())),
        (body(), message(secret, body(), age_s=600)),
        (body(), message(secret, body(), age_s=-600)),
        (body(status="error"), good),
        (body() + b" ", good),
        (b"\xff\xfe", good),
        (body(), {**good, "webhook-id": "msg_2"}),
        (body(), {**good, "webhook-timestamp": "soon"}),
        (body(), {**good, "webhook-signature": "nonsense"}),
        (body(), {**good, "webhook-signature": ""}),
        (body(), {**good, "webhook-signature": "v1,\u00e9\u00e9"}),
        (body(), {**good, "webhook-id": "msg_\u00e9"}),
        (body(), {}),
    ]
    for content, headers in bad:
        status, problem = await post(world, replica, content, headers)
        assert (status, problem["code"]) == (400, "invalid_signature")
    assert await pool.fetchval("SELECT count(*) FROM webhooks") == 0


async def test_one_of_several_signatures_and_either_secret_is_enough(start: Any, world: Any, secret: str) -> None:
    new = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    replica = await start(PERFECT_WEBHOOK_SECRET=f"{secret}, {new}")
    old_one, new_one = message(secret, body()), message(new, body(), "msg_2")
    old_one["webhook-signature"] = f"v2,abc v1,{base64.b64encode(bytes(32)).decode()} {old_one['webhook-signature']}"
    assert (await post(world, replica, body(), old_one))[0] == 200
    assert (await post(world, replica, body(), new_one))[0] == 200


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b'{"data": []}',
        b'{"data": {"task_id": ""}}',
        b"no json",
        b'{"data": {"task_id": NaN, "task_status": "success"}}',
        b'{"data": {"task_id": ["1"], "task_status": {}}}',
        b'{"data": {"task_id": "1\\u0000", "task_status": "success"}}',
        b'{"data": {"task_id": "1\\ud800", "task_status": "success"}}',
        b"[" * 30_000 + b"]" * 30_000,
        b'{"data":' * 900 + b"1" + b"}" * 900,
    ],
    ids=lambda content: content[:40].decode(),
)
async def test_what_says_nothing_is_refused(start: Any, world: Any, secret: str, content: bytes) -> None:
    replica = await start()
    status, problem = await post(world, replica, content, message(secret, content))
    assert (status, problem["code"]) == (400, "malformed_webhook")


async def test_a_compressed_body_is_refused(start: Any, world: Any, secret: str) -> None:
    headers = {**message(secret, body()), "Content-Encoding": "gzip"}
    status, problem = await post(world, await start(), body(), headers)
    assert (status, problem["code"]) == (415, "unsupported_content_encoding")


async def test_a_huge_body_is_refused(start: Any, world: Any) -> None:
    assert (await post(world, await start(), bytes(100_000), {}))[0] == 413


async def test_a_webhook_that_overtakes_the_tasks_id_is_not_lost(start: Any, world: Any) -> None:
    """The task ends, and is told of, while the answer that names it is still on its way."""
    await start()
    await world.vendor.fault("slow_answer", operation="create", ms=700)
    end = await world.end(await world.job())
    assert isinstance(end.data, RenderSucceeded)
    assert end.data.vendor_calls == 2


async def test_webhooks_that_come_twice_or_late_change_nothing(start: Any, world: Any, pool: Pool) -> None:
    await start(PERFECT_POLL_AFTER_S=0.2)
    await world.vendor.fault("webhook_double")
    await world.vendor.fault("webhook_delay", ms=1500)
    job_id = await world.job()
    assert isinstance((await world.end(job_id)).data, RenderSucceeded)
    await eventually(lambda: pool.fetchval("SELECT count(*) > 0 AND bool_and(settled_at IS NOT NULL) FROM webhooks"))
    assert len(await world.heard(job_id)) == 2


async def test_without_webhooks_the_task_is_polled(start: Any, world: Any) -> None:
    await start(PERFECT_POLL_AFTER_S=0.5)
    await world.vendor.fault("webhook_lost", -1)
    end = (await world.end(await world.job())).data
    assert isinstance(end, RenderSucceeded)
    assert end.vendor_calls == 2


async def test_forged_webhooks_are_as_good_as_none(start: Any, world: Any, pool: Pool) -> None:
    await start(PERFECT_POLL_AFTER_S=0.5)
    await world.vendor.fault("webhook_forged", -1)
    assert isinstance((await world.end(await world.job())).data, RenderSucceeded)
    assert await pool.fetchval("SELECT count(*) FROM webhooks") == 0


async def test_a_slow_task_is_polled_seldom(start: Any, world: Any) -> None:
    await start(PERFECT_POLL_AFTER_S=0.6)
    await world.vendor.change(latency_ms=1500)
    await world.vendor.fault("webhook_lost", -1)
    end = (await world.end(await world.job())).data
    assert isinstance(end, RenderSucceeded)
    assert end.vendor_calls <= 5
    assert end.vendor_ms >= 1400


async def test_a_claim_of_the_end_before_the_end_costs_one_poll(
    start: Any, world: Any, pool: Pool, secret: str
) -> None:
    """Signed, yet wrong: the task still runs; the true word comes later."""
    replica = await start()
    await world.vendor.change(latency_ms=1500)
    job_id = await world.job()
    await world.told(job_id, 1)
    [started] = await world.heard(job_id)
    content = body(task_id=json.dumps(started.data.vendor_task_id))
    await post(world, replica, content, message(secret, content))
    await eventually(lambda: pool.fetchval("SELECT looks = 1 AND lease IS NULL FROM renders"))
    assert isinstance((await world.end(job_id)).data, RenderSucceeded)
