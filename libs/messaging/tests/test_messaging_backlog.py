import asyncio
from typing import Any

import pytest
from closet_contracts.envelope import Event, new_event
from closet_contracts.job import JobFailed
from closet_devstack.testing import eventually
from closet_messaging import metrics
from closet_messaging.transaction import Tx
from nats.aio.client import Client
from prometheus_client import REGISTRY

from .conftest import TENANT, House, failed, publish


def pending() -> float | None:
    return REGISTRY.get_sample_value("closet_consumer_pending", {"stream": "CLOSET_JOB"})


async def test_what_is_pending_grows_while_the_consumer_stands_still(
    house: House, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "BACKLOG_EVERY_S", 0.02)
    go_on = asyncio.Event()

    async def hangs(_tx: Tx, _event: Event[Any]) -> None:
        await go_on.wait()

    await house.open(handlers={JobFailed: hangs})
    await eventually(lambda: pending() == 0)  # whatever an earlier test of this run has left there
    for _ in range(3):
        before = pending() or 0
        await publish(operator, new_event(failed(), tenant=TENANT))
        await eventually(lambda: (pending() or 0) > before)  # noqa: B023 called within the round
    assert pending() == 3
    go_on.set()
    await eventually(lambda: pending() == 0)
