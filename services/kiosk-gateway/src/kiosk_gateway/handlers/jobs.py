"""Reading jobs, waiting for them, giving them up. Whoever may not see a job is told that there is none."""

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from functools import partial

from closet_chassis.batching import Batcher
from closet_chassis.postgres import Pool
from closet_contracts.generation import GenerationCancelRequested
from closet_contracts.ownership import Service
from closet_messaging import outbox
from closet_messaging.transaction import Tx

from kiosk_gateway.domain.access import Caller
from kiosk_gateway.domain.jobs import Change
from kiosk_gateway.domain.refusals import JOB_NOT_FOUND
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.handlers.waiting import Doorbell, Waiters
from kiosk_gateway.store import jobs as store
from kiosk_gateway.store.jobs import Job
from kiosk_gateway.store.projection import apply

LOOK_EVERY_S = 5.0
JOB_ID = re.compile(r"job_[0-9a-f]{32}")


def look_after() -> float:
    """In how many seconds whoever waits looks by themselves: a bell may be lost. Not all at once."""
    return LOOK_EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311  jitter is no secret


class Jobs:
    """Jobs for whoever asks: one query for all who ask at the same time."""

    def __init__(self, pool: Pool, waiters: Waiters) -> None:
        self._pool = pool
        self._batcher = Batcher(self._read)
        self.waiters = waiters

    async def find(self, caller: Caller, job_id: str) -> Job:
        """The caller's own job.

        Raises:
            Problem: there is none.
        """
        job = await self._batcher.submit(job_id) if JOB_ID.fullmatch(job_id) else None
        if job is None or (job.tenant, job.user) != (caller.tenant, caller.user):
            raise refuse(JOB_NOT_FOUND)
        return job

    async def wait(self, caller: Caller, job_id: str, seconds: float, is_news: Callable[[Job], bool]) -> Job:
        """The job once it `is_news`, or as it stands after `seconds`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        with self.waiters.watch(job_id) as wake:
            while True:
                job = await self.find(caller, job_id)
                left = until - loop.time()
                if is_news(job) or left <= 0 or self.waiters.closed:
                    return job
                await wake.wait(min(left, look_after()))

    async def _read(self, job_ids: Sequence[str]) -> list[Job | None]:
        async with self._pool.acquire() as conn:
            found = await store.read(conn, set(job_ids))
        return [found.get(job_id) for job_id in job_ids]


async def cancel(doorbell: Doorbell, tx: Tx, caller: Caller, job_id: str) -> None:
    """Ask that the job be given up; one that has ended stays as it is.

    Raises:
        Problem: the caller has no such job.
    """
    known = JOB_ID.fullmatch(job_id) is not None
    noted = await store.note_cancel(tx.conn, job_id, caller.tenant, caller.user) if known else None
    if noted is None:
        raise refuse(JOB_NOT_FOUND)
    if noted:
        fact = GenerationCancelRequested(job_id=job_id, user_id=caller.user)
        event = outbox.add(tx, fact, tenant=caller.tenant)
        apply(tx, job_id, event.type, Service.KIOSK_GATEWAY, event.time, Change())
        tx.after_commit(partial(doorbell.changed, job_id))
