"""Dead letters of events that came to the bus in an atomic batch."""

from closet_contracts.job import JobFailed
from closet_contracts.ownership import Service
from closet_devstack.testing import eventually
from closet_messaging import dead_letters, outbox
from closet_messaging.publish import ATOMIC_FROM
from nats.aio.client import Client

from .conftest import TENANT, House, failed, letters
from .test_messaging_deadletters import Moody


async def test_a_letter_of_a_batch_can_be_replayed(house: House, operator: Client) -> None:
    moody = Moody()
    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)
    billing = await house.open(Service.BILLING_METER, {JobFailed: moody})
    async with orchestrator.bus.transaction() as tx:
        ids = [outbox.add(tx, failed(), tenant=TENANT).id for _ in range(ATOMIC_FROM)]

    async def all_dead() -> bool:
        return len(await letters(operator)) == len(ids)

    await eventually(all_dead, 60)
    moody.broken = False
    for stored in await letters(operator):
        await dead_letters.replay(operator.jetstream(), stored.sequence)

    async def all_there() -> bool:
        return sorted(await billing.effects()) == sorted(ids)

    await eventually(all_there, 60)
    assert await letters(operator) == []
