"""The whole service, in two replicas, on a real bus."""

from typing import Any

from closet_devstack.testing import eventually


async def has_said(world: Any, job_id: str, fact: str) -> None:
    async def said() -> bool:
        return fact in await world.heard(job_id)

    await eventually(said)


async def test_jobs_live_across_replicas_with_everything_said_twice(replica: Any, world: Any, asked: Any) -> None:
    await replica()
    await replica()
    lives = [asked() for _ in range(20)]
    for one in lives:
        await world.say(*[one.request()] * 2)
    for one in lives:
        await has_said(world, one.job_id, "accepted")
        await world.say(*one.ready() * 2, *[one.held()] * 2)
    for one in lives:
        await has_said(world, one.job_id, "dispatched")
        await world.say(one.started(), *[one.succeeded()] * 2)
    for one in lives:
        await has_said(world, one.job_id, "completed")
        assert await world.heard(one.job_id) == ["accepted", "dispatched", "completed"]


async def test_an_overdue_job_expires_by_itself(replica: Any, world: Any, asked: Any) -> None:
    process = await replica()
    one = asked()
    one.deadline = one.consent_given_at
    await world.say(one.request())
    await has_said(world, one.job_id, "expired")
    assert (await process.readiness.report()).ready
