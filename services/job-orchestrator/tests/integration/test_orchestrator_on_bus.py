"""The whole service, in two replicas, on a real bus."""

from typing import Any

from closet_devstack.testing import eventually


async def has_emitted(world: Any, job_id: str, fact: str) -> None:
    async def has_it() -> bool:
        return fact in await world.event_names(job_id)

    await eventually(has_it)


async def test_jobs_live_across_replicas_with_everything_said_twice(replica: Any, world: Any, job_facts: Any) -> None:
    await replica()
    await replica()
    facts_of_jobs = [job_facts() for _ in range(20)]
    for one in facts_of_jobs:
        await world.publish(*[one.request()] * 2)
    for one in facts_of_jobs:
        await has_emitted(world, one.job_id, "accepted")
        await world.publish(*one.ready() * 2, *[one.held()] * 2)
    for one in facts_of_jobs:
        await has_emitted(world, one.job_id, "dispatched")
        await world.publish(one.started(), *[one.succeeded()] * 2)
    for one in facts_of_jobs:
        await has_emitted(world, one.job_id, "completed")
        assert await world.event_names(one.job_id) == ["accepted", "dispatched", "completed"]


async def test_an_overdue_job_expires_by_itself(replica: Any, world: Any, job_facts: Any) -> None:
    process = await replica()
    one = job_facts()
    one.deadline = one.consent_given_at
    await world.publish(one.request())
    await has_emitted(world, one.job_id, "expired")
    assert (await process.readiness.report()).ready
