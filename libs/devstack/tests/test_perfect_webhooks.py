"""Webhooks come twice, late, in another order, and with wrong signatures or none."""

import json

from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.sandbox.perfect.webhooks import signature
from closet_devstack.testing import eventually

from .customer import TRYON, World


def told(world: World) -> list[str]:
    """The ids of the tasks that were heard of, in that order."""
    return [json.loads(body)["data"]["task_id"] for _, body in world.heard]


async def test_a_webhook_may_come_without_any_signature(world: World, sandbox: Remote) -> None:
    await sandbox.fault("webhook_unsigned")
    task_id = await world.create()
    await eventually(lambda: world.heard)
    headers, _ = world.heard[0]
    assert "webhook-signature" not in {name.lower() for name in headers}
    assert headers["webhook-id"]
    assert told(world) == [task_id]


async def test_a_webhook_may_be_overtaken(world: World, sandbox: Remote) -> None:
    await sandbox.fault("webhook_reorder", ms=60_000)
    first = await world.create()
    await world.ended(first)
    second = await world.create()
    await eventually(lambda: len(world.heard) == 2)
    assert told(world) == [second, first]


async def test_a_webhook_that_nobody_overtakes_comes_in_the_end(world: World, sandbox: Remote) -> None:
    await sandbox.fault("webhook_reorder", ms=3_600_000)
    task_id = await world.create()
    await world.ended(task_id)
    assert not world.heard
    await sandbox.advance(3600)
    await eventually(lambda: told(world) == [task_id])


async def test_a_late_webhook_keeps_its_signature(world: World, sandbox: Remote) -> None:
    await sandbox.fault("webhook_delay", ms=3_600_000)
    await world.ended(await world.create())
    assert not world.heard
    await sandbox.advance(3600)
    await eventually(lambda: world.heard)
    headers, body = world.heard[0]
    message_id, timestamp = headers["webhook-id"], int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(world.server.webhook_secret, message_id, timestamp, body)


async def test_a_header_decides_over_the_webhook_of_its_task(world: World, sandbox: Remote) -> None:
    silent = await world.begin(TRYON, world.order(), X_Sandbox_Fault="webhook_lost")
    await world.ended(silent)
    loud = await world.create()
    await eventually(lambda: told(world) == [loud])
    assert (await sandbox.stats())["webhooks"] == {"lost": 1, "delivered": 1}


async def test_a_failed_task_is_told_too(world: World, sandbox: Remote) -> None:
    await sandbox.fault("engine_error", code="error_pose")
    await world.create()
    await eventually(lambda: world.heard)
    assert json.loads(world.heard[0][1])["data"]["task_status"] == "error"


async def test_webhooks_that_find_nobody_are_counted(world: World, sandbox: Remote) -> None:
    await sandbox.change(webhook_urls=[f"{world.url}/none/hooks", "http://127.0.0.1:9/hooks"])
    await world.ended(await world.create())
    await eventually(lambda: _webhooks(sandbox, {"refused": 1, "failed": 1}))


async def _webhooks(sandbox: Remote, expected: dict[str, int]) -> bool:
    return bool((await sandbox.stats())["webhooks"] == expected)
