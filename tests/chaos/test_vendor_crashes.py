"""perfect-adapter is killed at every step of an order's life: what is paid for is delivered, once."""

import pytest

from tests.bench.vendor.adapter import STEPS
from tests.bench.vendor.crashes import crashes


@pytest.mark.timeout(300)
async def test_every_task_that_is_paid_for_is_delivered_whatever_dies_when() -> None:
    """With webhooks lost and doubled, answers lost, results cut, three replicas."""
    counted = await crashes(each=1, seed=7)
    print(counted)  # noqa: T201 pytest shows it with a failure
    assert counted["crashesByStep"] == dict.fromkeys(STEPS, 1)
    jobs = counted["jobs"]
    assert jobs == counted["tasksCreated"] == counted["unitsPaid"] == counted["resultsDelivered"] > 0, counted
    assert counted["endedTwice"] == 0
