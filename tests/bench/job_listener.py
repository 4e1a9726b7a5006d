"""How the load generator learns that a job is over without asking: by the bus, as the operator."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter

import orjson
from closet_contracts.catalog import OPERATOR
from closet_contracts.job import JobCancelled, JobCompleted, JobExpired, JobFailed
from closet_contracts.ownership import Service
from closet_messaging import notifications
from closet_messaging.connection import connect, drain
from nats.aio.msg import Msg

Announced = Callable[[str, float], None]


class JobListener:
    """Calls `announced(job_id, at)` whenever the gateway says that a job which has completed has changed in its own
    read model, which it says after each commit. The first time is nearly always the one that made it visible there.
    """

    def __init__(self, announced: Announced, ended_otherwise: Callable[[str, str], None]) -> None:
        self._announced = announced
        self._ended_otherwise = ended_otherwise
        self._completed: set[str] = set()

    def forget(self, job_id: str) -> None:
        """Announce it no more."""
        self._completed.discard(job_id)

    async def completed(self, message: Msg) -> None:
        self._completed.add(_data(message)["jobId"])

    async def otherwise(self, message: Msg) -> None:
        self._ended_otherwise(_data(message)["jobId"], _data(message)["code"])

    def changed(self, payload: bytes) -> None:
        at = perf_counter()
        for job_id in payload.decode().split():
            if job_id in self._completed:
                self._announced(job_id, at)


@asynccontextmanager
async def listening(nats: str, listener: JobListener) -> AsyncIterator[None]:
    """Hear what happens to jobs while the block runs."""
    client = await connect(nats, OPERATOR)
    try:
        await client.subscribe(JobCompleted.TYPE, cb=listener.completed)
        for ended in (JobFailed, JobCancelled, JobExpired):
            await client.subscribe(ended.TYPE, cb=listener.otherwise)
        await notifications.subscribe(client, Service.KIOSK_GATEWAY, "jobs", listener.changed)
        await client.flush()
        yield
    finally:
        await drain(client)


def _data(message: Msg) -> dict[str, str]:
    data: dict[str, str] = orjson.loads(message.data)["data"]
    return data
