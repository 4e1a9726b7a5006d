"""Checks uploads: reads what the client sent, makes a safe picture of it, and tells every job that waits."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.leased_work import Claimed
from closet_chassis.telemetry import current_traceparent, span_from
from closet_contracts.upload import Asset
from closet_messaging.transaction import Begin, Tx
from closet_storage.keys import input_key, upload_key
from closet_storage.objects import NotFound, ObjectStore, StorageUnavailable, TooLarge
from closet_storage.picture import PictureRejected
from closet_storage.pool import PicturePool, PoolUnavailable
from prometheus_client import Counter as Count

from upload_signer import domain, store
from upload_signer.domain import Owner, Refusal, State
from upload_signer.handlers import is_settled, tell
from upload_signer.store import Check, Claim, Upload, Waiting

log = structlog.get_logger(__name__)

LEASE_S = 15.0
CHECK_TIMEOUT_S = 90.0
SWEEP_AFTER_S = 60.0
SWEEP_LIMIT = 100

CHECKED = Count("closet_uploads_checked_total", "Uploads that were checked, by what came of it", ["outcome"])


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
    """The lane of checks: `claim`, `work` and `renew` for it, and the sweep after it.

    `share` is how many uploads of one tenant are in hand at most.
    """

    begin: Begin
    objects: ObjectStore
    pictures: PicturePool
    share: int = domain.SHARE_PER_DECODER
    _in_hand: dict[str, str] = field(default_factory=dict, init=False)
    _last_tenant: str = field(default="", init=False)
    _settle: Batcher[Outcome, bool] = field(init=False)
    _wiped: Batcher[str, None] = field(init=False)

    def __post_init__(self) -> None:
        self._settle = Batcher(self._record)
        self._wiped = Batcher(self._record_wiped)

    async def claim(self, limit: int) -> Claimed[Check]:
        """Take uploads that are due. Tenants take turns, and none has more than its share in hand."""
        held = Counter(self._in_hand.values())
        wanted = Claim(uuid4(), LEASE_S, limit, self.share, held, after=self._last_tenant)
        async with self.begin() as tx:
            checks = await store.claim(tx.conn, wanted)
            if len(checks) < limit and self._last_tenant:
                rest = replace(wanted, limit=limit - len(checks), after="", up_to=self._last_tenant)
                checks += await store.claim(tx.conn, rest)
        self._in_hand |= {check.upload_id: check.tenant_id for check in checks}
        if checks:
            self._last_tenant = checks[-1].tenant_id
        # By what was in hand as the claim began: what has been done since has held back others all the same.
        counted = held + Counter(check.tenant_id for check in checks)
        return Claimed(checks, more=self.share in counted.values())

    async def renew(self, checks: Sequence[Check]) -> None:
        """Keep those in hand."""
        async with self.begin() as tx:
            await store.renew(tx.conn, {check.upload_id: check.lease for check in checks}, LEASE_S)

    async def work(self, check: Check) -> None:
        """Check one upload, tell the jobs, and remove the bytes that the client sent."""
        try:
            await self._work(check)
        finally:
            self._in_hand.pop(check.upload_id, None)

    async def _work(self, check: Check) -> None:
        with span_from(check.traceparent, "check upload", attributes={"closet.upload_id": check.upload_id}) as span:
            result = await self._check(check)
            span.set_attribute("closet.outcome", _name(result))
            settled = await self._settle.submit(Outcome(check, result, current_traceparent()))
            if settled and result != domain.MISSING:
                await self._wipe(check.tenant_id, check.upload_id)
        if settled:
            CHECKED.labels(_name(result)).inc()

    async def sweep(self) -> bool:
        """Remove raw bytes that nobody needs: left by a crash or while storage was away, unused, or put once more."""
        async with self.begin() as tx:
            left = await store.raw_left(tx.conn, SWEEP_AFTER_S, SWEEP_LIMIT)
            due = await store.due_put_urls(tx.conn, SWEEP_LIMIT)
        for tenant_id, upload_id in [*left, *due]:
            if not await self._wipe(tenant_id, upload_id):
                return False
        async with self.begin() as tx:
            await store.forget_put_urls(tx.conn, [upload_id for _, upload_id in due])
        return SWEEP_LIMIT in {len(left), len(due)}

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
    refusals = {key: result for key, result in results.items() if isinstance(result, Refusal)}
    # What never came may still come: nothing is kept of it, and the next job that names it has it looked for again.
    missing = [key for key, refusal in refusals.items() if refusal == domain.MISSING]
    away = {key: result.delay_s for key, result in results.items() if isinstance(result, Away)}
    await store.retry(tx.conn, away)
    await store.mark_rejected(tx.conn, {key: refusal for key, refusal in refusals.items() if key not in missing})
    await store.mark_ready(tx.conn, {key: result for key, result in results.items() if isinstance(result, Asset)})
    await _tell(tx, [outcome for outcome in outcomes if not isinstance(outcome.result, Away)])
    await store.forget(tx.conn, missing)
    await store.end_put_urls(tx.conn, results.keys() - set(missing) - away.keys(), domain.LATE_PUT_S)


async def _tell(tx: Tx, settled: Sequence[Outcome]) -> None:
    """Tell the jobs that wait for these uploads and for nothing else."""
    by_id = {outcome.check.upload_id: outcome for outcome in settled}
    waiting = await store.lock_waiting(tx.conn, by_id)
    others = {each for one in waiting for each in (one.upload_id, *one.picture_ids)} - by_id.keys()
    known = await store.find(tx.conn, sorted(others)) if others else {}
    told = []
    for one in waiting:
        uploads = known | {key: _upload(outcome, one.owner) for key, outcome in by_id.items()}
        # A picture that is not known any more never came, of which its own jobs are told: the mask is not to blame.
        pictures = [uploads[each] for each in one.picture_ids if each in uploads]
        if all(is_settled(each, one.owner) for each in (uploads[one.upload_id], *pictures)):
            tell(tx, one.job_id, one.owner, _cause(one, by_id.get(one.upload_id)), uploads[one.upload_id], pictures)
            told.append(one)
    await store.stop_waiting(tx.conn, told)


def _upload(outcome: Outcome, owner: Owner) -> Upload:
    """The upload as it is now settled; whoever waits for it is its owner."""
    upload_id, result = outcome.check.upload_id, outcome.result
    if isinstance(result, Asset):
        return Upload(upload_id, owner, State.READY, asset=result)
    return Upload(upload_id, owner, State.REJECTED, refusal=result if isinstance(result, Refusal) else None)


def _cause(waiting: Waiting, outcome: Outcome | None) -> Waiting:
    """The work was done once, in the trace of one of the jobs; the others' traces go on from where they waited."""
    traceparent = outcome.traceparent if outcome else None
    ours = traceparent and waiting.traceparent and _trace(traceparent) == _trace(waiting.traceparent)
    return waiting._replace(traceparent=traceparent) if ours else waiting


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
