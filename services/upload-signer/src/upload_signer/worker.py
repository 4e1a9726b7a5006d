"""Checks uploads: reads what the client sent, makes a safe picture of it, and tells every job that waits."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.lanes import Claimed
from closet_chassis.telemetry import current_traceparent, span_from
from closet_contracts.upload import Asset, UploadReady, UploadRejected
from closet_messaging import outbox
from closet_messaging.unit import Begin, Tx
from closet_storage.keys import input_key, upload_key
from closet_storage.objects import NotFound, ObjectStore, StorageUnavailable, TooLarge
from closet_storage.picture import PictureRejected
from closet_storage.pool import PicturePool, PoolUnavailable
from prometheus_client import Counter

from upload_signer import domain, store
from upload_signer.domain import Refusal
from upload_signer.store import Check, Waiting

log = structlog.get_logger(__name__)

LEASE_S = 15.0
CHECK_TIMEOUT_S = 90.0
SWEEP_AFTER_S = 60.0
SWEEP_LIMIT = 100

CHECKED = Counter("closet_uploads_checked_total", "Uploads that were checked, by what came of it", ["outcome"])


@dataclass(frozen=True, slots=True)
class Away:
    """Nothing is known: storage or the decoder did not answer."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check; `traceparent` is that of the work."""

    check: Check
    result: Asset | Refusal | Away
    traceparent: str | None


@dataclass(eq=False)
class Checker:
    """The lane of checks: `claim`, `work` and `renew` for it, and the sweep after it."""

    begin: Begin
    objects: ObjectStore
    pictures: PicturePool
    _settle: Batcher[Outcome, bool] = field(init=False)
    _wiped: Batcher[str, None] = field(init=False)

    def __post_init__(self) -> None:
        self._settle = Batcher(self._record)
        self._wiped = Batcher(self._record_wiped)

    async def claim(self, limit: int) -> Claimed[Check]:
        """Take uploads that are due."""
        async with self.begin() as tx:
            return Claimed(await store.claim(tx.conn, uuid4(), LEASE_S, limit))

    async def renew(self, checks: Sequence[Check]) -> None:
        """Keep those in hand."""
        async with self.begin() as tx:
            await store.renew(tx.conn, {check.upload_id: check.lease for check in checks}, LEASE_S)

    async def work(self, check: Check) -> None:
        """Check one upload, tell the jobs, and remove the bytes that the client sent."""
        with span_from(check.traceparent, "check upload", attributes={"closet.upload_id": check.upload_id}) as span:
            result = await self._check(check)
            span.set_attribute("closet.outcome", _name(result))
            settled = await self._settle.submit(Outcome(check, result, current_traceparent()))
            if settled and result != domain.MISSING:
                await self._wipe(check.tenant_id, check.upload_id)
        if settled:
            CHECKED.labels(_name(result)).inc()

    async def sweep(self) -> bool:
        """Remove raw bytes that were left behind, because the process died or storage was away."""
        async with self.begin() as tx:
            left = await store.raw_left(tx.conn, SWEEP_AFTER_S, SWEEP_LIMIT)
        for tenant_id, upload_id in left:
            if not await self._wipe(tenant_id, upload_id):
                return False
        return len(left) == SWEEP_LIMIT

    async def _check(self, check: Check) -> Asset | Refusal | Away:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await self._make_input(check)
        except NotFound:
            return domain.MISSING
        except TooLarge:
            return domain.TOO_LARGE
        except PictureRejected as rejected:
            return Refusal(rejected.code, rejected.message)
        except (StorageUnavailable, PoolUnavailable, TimeoutError) as error:
            log.warning("check_postponed", upload_id=check.upload_id, tries=check.tries, error=str(error))
            return Away(domain.retry_after_s(check.tries))

    async def _make_input(self, check: Check) -> Asset:
        raw = await self.objects.get(upload_key(check.tenant_id, check.upload_id), domain.MAX_UPLOAD_BYTES)
        picture = await self.pictures.normalise(raw, grey=check.is_mask)
        key = input_key(check.tenant_id, check.upload_id, picture.ext)
        await self.objects.put(key, picture.data, picture.content_type)
        return Asset(
            key=key,
            content_type=picture.content_type,
            width=picture.width,
            height=picture.height,
            size_bytes=len(picture.data),
            sha256=picture.sha256,
        )

    async def _record(self, outcomes: Sequence[Outcome]) -> Sequence[bool]:
        """Settle all of them in one transaction; which of them were still ours, and are settled now?"""
        async with self.begin() as tx:
            held = await store.hold(tx.conn, [outcome.check.upload_id for outcome in outcomes])
            ours = [outcome for outcome in outcomes if held.get(outcome.check.upload_id) == outcome.check.lease]
            await _write(tx, ours)
        return [outcome in ours and not isinstance(outcome.result, Away) for outcome in outcomes]

    async def _wipe(self, tenant_id: str, upload_id: str) -> bool:
        try:
            await self.objects.delete(upload_key(tenant_id, upload_id))
        except StorageUnavailable as error:
            log.warning("raw_upload_left", upload_id=upload_id, error=str(error))
            return False
        await self._wiped.submit(upload_id)
        return True

    async def _record_wiped(self, upload_ids: Sequence[str]) -> Sequence[None]:
        async with self.begin() as tx:
            await store.raw_gone(tx.conn, upload_ids)
        return [None] * len(upload_ids)


async def _write(tx: Tx, outcomes: Sequence[Outcome]) -> None:
    results = {outcome.check.upload_id: outcome.result for outcome in outcomes}
    settled = {outcome.check.upload_id: outcome for outcome in outcomes if not isinstance(outcome.result, Away)}
    await store.retry(tx.conn, {key: result.delay_s for key, result in results.items() if isinstance(result, Away)})
    for waiting in await store.take_waiting(tx.conn, settled):
        _tell(tx, waiting, settled[waiting.upload_id])
    refusals = {key: result for key, result in results.items() if isinstance(result, Refusal)}
    # What never came may still come: nothing is kept of it, and the next job that names it has it looked for again.
    missing = [key for key, refusal in refusals.items() if refusal == domain.MISSING]
    await store.forget(tx.conn, missing)
    await store.mark_rejected(tx.conn, {key: refusal for key, refusal in refusals.items() if key not in missing})
    await store.mark_ready(tx.conn, {key: result for key, result in results.items() if isinstance(result, Asset)})


def _tell(tx: Tx, waiting: Waiting, outcome: Outcome) -> None:
    about = {"upload_id": waiting.upload_id, "job_id": waiting.job_id, "user_id": waiting.owner.user_id}
    # The work was done once, in the trace of one of the jobs; the others' traces go on from where they waited.
    ours = outcome.traceparent and waiting.traceparent and _trace(outcome.traceparent) == _trace(waiting.traceparent)
    cause = waiting._replace(traceparent=outcome.traceparent) if ours else waiting
    if isinstance(outcome.result, Asset):
        outbox.add(tx, UploadReady(**about, asset=outcome.result), tenant=waiting.owner.tenant_id, cause=cause)
    elif isinstance(outcome.result, Refusal):
        rejected = UploadRejected(**about, code=outcome.result.code, message=outcome.result.message)
        outbox.add(tx, rejected, tenant=waiting.owner.tenant_id, cause=cause)


def _trace(traceparent: str) -> str:
    return traceparent.split("-")[1]


def _name(result: Asset | Refusal | Away) -> str:
    match result:
        case Asset():
            return "ready"
        case Refusal(code=code):
            return code
        case Away():
            return "away"
