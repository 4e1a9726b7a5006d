"""Read jobs, wait for them, cancel them. A caller who may not see a job is told that it does not exist."""

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.postgres import Pool
from closet_contracts.generation import GenerationCancelRequested
from closet_contracts.ownership import Service
from closet_contracts.rpc import SignedGets, SignGet
from closet_messaging import outbox
from closet_messaging.bus import Bus
from closet_messaging.rpc import RpcFailed
from closet_messaging.transaction import Begin, Tx

from kiosk_gateway.domain.access import Caller
from kiosk_gateway.domain.jobs import Change, Status
from kiosk_gateway.domain.refusals import ASSET_NOT_FOUND, JOB_NOT_FOUND
from kiosk_gateway.handlers.idempotency import once
from kiosk_gateway.handlers.problems import ask, problem
from kiosk_gateway.handlers.projection import JobChangeNotifier, JobWatchers
from kiosk_gateway.store import jobs as store
from kiosk_gateway.store.idempotency import Answer, Key
from kiosk_gateway.store.jobs import JobRecord
from kiosk_gateway.store.projection import apply_change

log = structlog.get_logger(__name__)

POLL_INTERVAL_S = 5.0
JOB_ID = re.compile(r"job_[0-9a-f]{32}")
_KEYS_PER_REQUEST = 64  # the most that one SignGet may name


def poll_interval_s() -> float:
    """Return the seconds until a watcher reads the job again in case a notification was lost; with jitter."""
    return POLL_INTERVAL_S * random.uniform(0.8, 1.2)  # noqa: S311  jitter is no secret


class Jobs:
    """Reads jobs, with one query for all callers that ask at the same time."""

    def __init__(self, pool: Pool, watchers: JobWatchers) -> None:
        self._pool = pool
        self._batcher = Batcher(self._read)
        self.watchers = watchers

    async def find(self, caller: Caller, job_id: str) -> JobRecord:
        """Return the caller's own job.

        Raises:
            Problem: the caller has no such job.
        """
        job = await self._batcher.submit(job_id) if JOB_ID.fullmatch(job_id) else None
        if job is None or (job.tenant, job.user) != (caller.tenant, caller.user):
            raise problem(JOB_NOT_FOUND)
        return job

    async def page(self, caller: Caller, *, before: str | None, status: Status | None, limit: int) -> list[JobRecord]:
        """Return the caller's jobs without their timelines, newest first, older than `before`."""
        async with self._pool.acquire() as conn:
            return await store.page(conn, caller.tenant, caller.user, before=before, status=status, limit=limit)

    async def wait(
        self, caller: Caller, job_id: str, seconds: float, is_awaited: Callable[[JobRecord], bool]
    ) -> JobRecord:
        """Return the job as soon as it `is_awaited`, or as it is after `seconds`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        with self.watchers.watch(job_id) as wake:
            while True:
                job = await self.find(caller, job_id)
                left = until - loop.time()
                if is_awaited(job) or left <= 0 or self.watchers.is_closed:
                    return job
                await wake.wait(min(left, poll_interval_s()))

    async def _read(self, job_ids: Sequence[str]) -> list[JobRecord | None]:
        async with self._pool.acquire() as conn:
            found = await store.read(conn, set(job_ids))
        return [found.get(job_id) for job_id in job_ids]


class Cancellations:
    """Cancels jobs, once per idempotency key."""

    def __init__(self, begin: Begin, notifier: JobChangeNotifier) -> None:
        self._begin = begin
        self._notifier = notifier

    async def request(self, caller: Caller, job_id: str, key: Key | None) -> None:
        """Request that the job be cancelled; a job that has ended stays as it is.

        Raises:
            Problem: the caller has no such job, or the key was used for a different request.
        """

        async def act(tx: Tx) -> Answer:
            await cancel(self._notifier, tx, caller, job_id)
            return {"jobId": job_id}

        await once(self._begin, key, act)


async def cancel(notifier: JobChangeNotifier, tx: Tx, caller: Caller, job_id: str) -> None:
    """Request that the job be cancelled; a job that has ended stays as it is.

    Raises:
        Problem: the caller has no such job.
    """
    is_id = JOB_ID.fullmatch(job_id) is not None
    is_recorded = await store.record_cancel(tx.conn, job_id, caller.tenant, caller.user) if is_id else None
    if is_recorded is None:
        raise problem(JOB_NOT_FOUND)
    if is_recorded:
        fact = GenerationCancelRequested(job_id=job_id, user_id=caller.user)
        event = outbox.add(tx, fact, tenant=caller.tenant)
        apply_change(tx, job_id, event.type, Service.KIOSK_GATEWAY, event.time, Change())
        tx.after_commit(partial(notifier.mark_changed, job_id))


class ResultUrls:
    """Asks upload-signer for signed URLs of results."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def of_job(self, job: JobRecord) -> tuple[tuple[str, ...], int | None]:
        """Return the signed URLs of all results and their lifetime in seconds; none if they cannot be signed.

        Raises:
            Problem: upload-signer does not answer.
        """
        keys = [asset.key for asset in job.results]
        groups = [keys[start : start + _KEYS_PER_REQUEST] for start in range(0, len(keys), _KEYS_PER_REQUEST)]
        try:
            signed = await asyncio.gather(*(self._sign(job, *group) for group in groups))
        except RpcFailed as error:
            # The job is worth showing without its pictures; the log tells an operator about them.
            log.error("result_signing_failed", job_id=job.job_id, code=error.code)  # noqa: TRY400  no stack is needed
            return (), None
        urls = tuple(url for group in signed for url in group.urls)
        return urls, min((group.expires_in for group in signed), default=None)

    async def of_result(self, job: JobRecord, number: int) -> str:
        """Return a signed URL of one result.

        Raises:
            Problem: the job has no such result, or upload-signer does not answer.
        """
        if number >= len(job.results):
            raise problem(ASSET_NOT_FOUND)
        try:
            signed = await self._sign(job, job.results[number].key)
        except RpcFailed as error:
            raise problem(ASSET_NOT_FOUND) from error
        return signed.urls[0]

    async def _sign(self, job: JobRecord, *keys: str) -> SignedGets:
        return await ask(self._bus, SignGet(tenant_id=job.tenant, keys=keys))
