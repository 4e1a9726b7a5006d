"""Check uploads: read what the client sent, make a safe picture of it, and answer every job that waits for it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.leased_work import Claimed
from closet_chassis.telemetry import current_traceparent, span_from
from closet_contracts.upload import UPLOAD_RULES, Asset
from closet_messaging.transaction import Begin, Tx
from closet_storage.assets import asset_of
from closet_storage.keys import input_key, upload_key
from closet_storage.objects import NotFound, ObjectStore, StorageUnavailable, TooLarge
from closet_storage.picture import PictureRejected
from closet_storage.pool import PicturePool, PoolUnavailable
from prometheus_client import Counter as Count

from upload_signer import domain, store
from upload_signer.domain import Owner, Rejection, State
from upload_signer.handlers import emit_result, has_answer
from upload_signer.store import Check, ClaimRequest, Upload, WaitingJob

log = structlog.get_logger(__name__)

LEASE_S = 15.0
CHECK_TIMEOUT_S = 90.0
SWEEP_AFTER_S = 60.0
SWEEP_LIMIT = 100

CHECKED = Count("closet_uploads_checked_total", "Uploads checked, by outcome", ["outcome"])


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Storage or the decoder did not answer: check again after `delay_s` seconds."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a check; `traceparent` is that of the work."""

    check: Check
    result: Asset | Rejection | Unavailable
    traceparent: str | None


@dataclass(eq=False)
class UploadChecker:
    """Checks uploads: `claim`, `work` and `renew` for a LeasedWorker, and the sweep of raw bytes.

    `tenant_limit`: the most uploads of one tenant in progress.
    """

    begin: Begin
    objects: ObjectStore
    pictures: PicturePool
    tenant_limit: int = domain.TENANT_LIMIT_PER_DECODER
    _in_progress: dict[str, str] = field(default_factory=dict, init=False)
    _last_tenant: str = field(default="", init=False)
    _settle_batcher: Batcher[Outcome, bool] = field(init=False)
    _deletion_batcher: Batcher[str, None] = field(init=False)

    def __post_init__(self) -> None:
        self._settle_batcher = Batcher(self._record)
        self._deletion_batcher = Batcher(self._record_deleted_raw)

    async def claim(self, limit: int) -> Claimed[Check]:
        """Claim uploads that are due. Tenants take turns, and none has more than `tenant_limit` in progress."""
        in_progress = Counter(self._in_progress.values())
        request = ClaimRequest(uuid4(), LEASE_S, limit, self.tenant_limit, in_progress, after=self._last_tenant)
        async with self.begin() as tx:
            checks = await store.claim(tx.conn, request)
            if len(checks) < limit and self._last_tenant:
                rest = replace(request, limit=limit - len(checks), after="", up_to=self._last_tenant)
                checks += await store.claim(tx.conn, rest)
        self._in_progress |= {check.upload_id: check.tenant_id for check in checks}
        if checks:
            self._last_tenant = checks[-1].tenant_id
        # Count what was in progress when the claim began: what ended since then has held back others all the same.
        counted = in_progress + Counter(check.tenant_id for check in checks)
        return Claimed(checks, more=self.tenant_limit in counted.values())

    async def renew(self, checks: Sequence[Check]) -> None:
        """Renew the leases of the checks in progress."""
        async with self.begin() as tx:
            await store.renew(tx.conn, {check.upload_id: check.lease for check in checks}, LEASE_S)

    async def work(self, check: Check) -> None:
        """Check one upload, answer the jobs, and delete the raw bytes."""
        try:
            await self._work(check)
        finally:
            self._in_progress.pop(check.upload_id, None)

    async def _work(self, check: Check) -> None:
        with span_from(check.traceparent, "check upload", attributes={"closet.upload_id": check.upload_id}) as span:
            result = await self._check(check)
            span.set_attribute("closet.outcome", _outcome_name(result))
            settled = await self._settle_batcher.submit(Outcome(check, result, current_traceparent()))
            if settled and result != domain.MISSING:
                await self._delete_raw(check.tenant_id, check.upload_id)
        if settled:
            CHECKED.labels(_outcome_name(result)).inc()

    async def sweep(self) -> bool:
        """Delete raw bytes that nobody needs: left by a crash or an outage, unused, or uploaded after the check.

        Returns:
            True if there may be more.
        """
        async with self.begin() as tx:
            undeleted = await store.list_undeleted_raw(tx.conn, SWEEP_AFTER_S, SWEEP_LIMIT)
            due = await store.list_due_put_urls(tx.conn, SWEEP_LIMIT)
        for tenant_id, upload_id in [*undeleted, *due]:
            if not await self._delete_raw(tenant_id, upload_id):
                return False
        async with self.begin() as tx:
            await store.delete_put_urls(tx.conn, [upload_id for _, upload_id in due])
        return SWEEP_LIMIT in {len(undeleted), len(due)}

    async def _check(self, check: Check) -> Asset | Rejection | Unavailable:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await self._make_input(check)
        except NotFound:
            return domain.MISSING
        except TooLarge:
            return domain.TOO_LARGE
        except PictureRejected as rejected:
            return Rejection(rejected.code, rejected.message)
        except (StorageUnavailable, PoolUnavailable, TimeoutError) as error:
            log.warning("check_postponed", upload_id=check.upload_id, tries=check.tries, error=str(error))
            return Unavailable(domain.retry_after_s(check.tries))

    async def _make_input(self, check: Check) -> Asset:
        raw = await self.objects.get(upload_key(check.tenant_id, check.upload_id), UPLOAD_RULES.max_bytes)
        picture = await self.pictures.normalise(raw, grey=check.is_mask)
        key = input_key(check.tenant_id, check.upload_id, picture.ext)
        await self.objects.put(key, picture.data, picture.content_type)
        return asset_of(key, picture)

    async def _record(self, outcomes: Sequence[Outcome]) -> Sequence[bool]:
        """Settle these uploads in one transaction; return for each whether its lease still held and it is settled."""
        async with self.begin() as tx:
            leases = await store.lock_leases(tx.conn, [outcome.check.upload_id for outcome in outcomes])
            held = [outcome for outcome in outcomes if leases.get(outcome.check.upload_id) == outcome.check.lease]
            await _write(tx, held)
        return [outcome in held and not isinstance(outcome.result, Unavailable) for outcome in outcomes]

    async def _delete_raw(self, tenant_id: str, upload_id: str) -> bool:
        try:
            await self.objects.delete(upload_key(tenant_id, upload_id))
        except StorageUnavailable as error:
            log.warning("raw_upload_not_deleted", upload_id=upload_id, error=str(error))
            return False
        await self._deletion_batcher.submit(upload_id)
        return True

    async def _record_deleted_raw(self, upload_ids: Sequence[str]) -> Sequence[None]:
        async with self.begin() as tx:
            await store.mark_raw_deleted(tx.conn, upload_ids)
        return [None] * len(upload_ids)


async def _write(tx: Tx, outcomes: Sequence[Outcome]) -> None:
    results = {outcome.check.upload_id: outcome.result for outcome in outcomes}
    rejections = {key: result for key, result in results.items() if isinstance(result, Rejection)}
    # A missing upload may still arrive: its row is deleted, and the next job that names it has it checked again.
    missing = [key for key, rejection in rejections.items() if rejection == domain.MISSING]
    unavailable = {key: result.delay_s for key, result in results.items() if isinstance(result, Unavailable)}
    await store.retry(tx.conn, unavailable)
    await store.mark_rejected(tx.conn, {key: rejection for key, rejection in rejections.items() if key not in missing})
    await store.mark_ready(tx.conn, {key: result for key, result in results.items() if isinstance(result, Asset)})
    await _answer_waiting_jobs(tx, [outcome for outcome in outcomes if not isinstance(outcome.result, Unavailable)])
    await store.delete_uploads(tx.conn, missing)
    await store.schedule_put_url_cleanup(
        tx.conn, results.keys() - set(missing) - unavailable.keys(), domain.LATE_PUT_GRACE_S
    )


async def _answer_waiting_jobs(tx: Tx, settled: Sequence[Outcome]) -> None:
    """Answer the jobs that wait for these uploads and for no others."""
    by_id = {outcome.check.upload_id: outcome for outcome in settled}
    waiting = await store.lock_waiting_jobs(tx.conn, by_id)
    others = {each for job in waiting for each in (job.upload_id, *job.picture_ids)} - by_id.keys()
    known = await store.find(tx.conn, sorted(others)) if others else {}
    answered = []
    for job in waiting:
        uploads = known | {key: _upload(outcome, job.owner) for key, outcome in by_id.items()}
        # A picture without a row never arrived: it is rejected by itself, and the mask is not the reason.
        pictures = [uploads[each] for each in job.picture_ids if each in uploads]
        upload = uploads[job.upload_id]
        if all(has_answer(each, job.owner) for each in (upload, *pictures)):
            emit_result(tx, job.job_id, job.owner, _cause(job, by_id.get(job.upload_id)), upload, pictures)
            answered.append(job)
    await store.delete_waiting_jobs(tx.conn, answered)


def _upload(outcome: Outcome, owner: Owner) -> Upload:
    """Return the upload as settled by this outcome. Only its owner's jobs wait for it."""
    upload_id, result = outcome.check.upload_id, outcome.result
    if isinstance(result, Asset):
        return Upload(upload_id, owner, State.READY, asset=result)
    return Upload(upload_id, owner, State.REJECTED, rejection=result if isinstance(result, Rejection) else None)


def _cause(job: WaitingJob, outcome: Outcome | None) -> WaitingJob:
    """Return the cause of the answer, in the trace of the check if that is the job's own trace.

    An upload is checked once, in the trace of one of the jobs; the other jobs continue their own traces.
    """
    traceparent = outcome.traceparent if outcome else None
    is_same_trace = traceparent and job.traceparent and _trace_id(traceparent) == _trace_id(job.traceparent)
    return job._replace(traceparent=traceparent) if is_same_trace else job


def _trace_id(traceparent: str) -> str:
    return traceparent.split("-")[1]


def _outcome_name(result: Asset | Rejection | Unavailable) -> str:
    match result:
        case Asset():
            return "ready"
        case Rejection(code=code):
            return code
        case Unavailable():
            return "unavailable"
