"""Submission: write the intent, create the task by one POST, and write the outcome.

An outcome is a task, a setback after which the render waits again, or the render's end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.leased_work import Claimed
from closet_chassis.postgres import is_unavailable
from closet_chassis.telemetry import current_traceparent, span_from
from closet_chassis.worker import Wake
from closet_messaging import outbox
from closet_messaging.transaction import Tx
from prometheus_client import Counter

from perfect_adapter.queue import circuits
from perfect_adapter.queue.scheduler import Scheduler
from perfect_adapter.quota.gate import CompletedCall, QuotaGate
from perfect_adapter.renders import completion, recovery, store
from perfect_adapter.renders.completion import Failure, Success, write_outcome
from perfect_adapter.renders.inputs import InputPreparer, UnusableInputs
from perfect_adapter.renders.render import Render
from perfect_adapter.renders.results import ResultStorage
from perfect_adapter.renders.states import FIRST_SEARCH_S, MAX_SETBACKS, RETRY
from perfect_adapter.renders.store import Setback, StartedTask
from perfect_adapter.vendor import errors
from perfect_adapter.vendor.answers import (
    CreateAnswer,
    Created,
    CreateRequest,
    Finished,
    NoAnswer,
    NotMade,
    Refused,
    Throttled,
    Unreachable,
)
from perfect_adapter.vendor.bodies import References
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.keys import ApiKey, is_about_the_key
from perfect_adapter.vendor.leases import Lease

log = structlog.get_logger(__name__)

WITHHELD = Counter(
    "closet_vendor_orders_withheld_total", "Orders that were not sent: their lease had expired, or their job had ended"
)
LATE = Counter(
    "closet_vendor_late_answers_total",
    "Tasks whose create call was answered after their order's lease had expired",
    ["outcome"],
)


@dataclass(frozen=True, slots=True)
class ClaimedSubmission:
    """A render to submit, and the calls charged for it: to create its task, and to upload its files."""

    render: Render
    create_call: int
    file_call: int | None


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submitted render, with the trace of the work, the vendor's answer, and when it came."""

    render: Render
    calls: Sequence[CompletedCall]
    answer: CreateAnswer | UnusableInputs | Success | Failure
    at: datetime


@dataclass(eq=False, kw_only=True)
class Submitter:
    """The leased worker of submissions.

    `on_task_started` is called when a task has started, `on_ambiguous` when an order has become ambiguous.
    """

    gate: QuotaGate
    vendor: VendorClient
    inputs: InputPreparer
    results: ResultStorage
    scheduler: Scheduler
    poll_after_s: float
    on_task_started: Callable[[], None]
    on_ambiguous: Callable[[], None]
    wake: Wake = field(default_factory=Wake)
    _writer: Batcher[Submitted, None] = field(init=False)

    def __post_init__(self) -> None:
        self._writer = Batcher(self._write)

    async def claim(self, limit: int) -> Claimed[ClaimedSubmission]:
        """Choose and claim the next renders, charge the calls and write the intents, in one transaction."""
        async with self.gate.begin() as tx:
            schedule = await self.scheduler.choose(tx, limit)
            claims = await self._take(tx, schedule.keys)
        return Claimed(claims, schedule.next_in_s(len(claims)))

    async def renew(self, claims: Sequence[ClaimedSubmission]) -> None:
        """Renew the leases of claimed renders."""
        async with self.gate.begin() as tx:
            await store.renew(tx.conn, [claim.render for claim in claims], self.gate.lease_s)

    async def work(self, claim: ClaimedSubmission) -> None:
        """Create the task, once. From here until the outcome is written, a crash leaves it ambiguous."""
        render = claim.render
        attributes = {"closet.render_id": render.render_id, "closet.feature": render.feature.name}
        with span_from(render.traceparent, "submit render", attributes=attributes) as span:
            answer, calls = await self._create(claim)
            span.set_attribute("closet.outcome", type(answer).__name__)
            traced = replace(render, traceparent=current_traceparent())
            await write_outcome(self._writer, Submitted(traced, calls, answer, datetime.now(UTC)))
        if isinstance(answer, Created | Success | Failure | UnusableInputs | NotMade):
            self.wake.set()  # its key may take the next one

    async def _take(self, tx: Tx, keys: Mapping[str, str]) -> list[ClaimedSubmission]:
        taken = await store.take_for_submission(tx.conn, keys, self.gate.lease_s)
        uploading = [one for one in taken if self.inputs.needs_upload(one)]
        created = await self._charge(tx, "create", taken)
        uploaded = await self._charge(tx, "file", uploading)
        return [ClaimedSubmission(one, created[one.render_id], uploaded.get(one.render_id)) for one in taken]

    async def _charge(self, tx: Tx, operation: str, taken: Sequence[Render]) -> dict[str, int]:
        call_ids = await self.gate.charge(tx, operation, [(one.key, one.render_id) for one in taken])
        return {one.render_id: call_id for one, call_id in zip(taken, call_ids, strict=True)}

    async def _create(
        self, claim: ClaimedSubmission
    ) -> tuple[CreateAnswer | UnusableInputs | Success | Failure, Sequence[CompletedCall]]:
        render, key = claim.render, self.gate.key(claim.render.key)
        refs, uploaded = await self.inputs.prepare(render, key)
        calls = [CompletedCall(claim.file_call, key.name, uploaded or NotMade())] if claim.file_call is not None else []
        if isinstance(refs, UnusableInputs):
            return refs, [*calls, CompletedCall(claim.create_call, key.name, NotMade())]
        answer = await self._send(render, key, refs)
        calls.append(CompletedCall(claim.create_call, key.name, answer, render.feature.units(render.work)))
        if isinstance(answer, Finished):
            return await self.results.store_inline(render, answer), calls
        return answer, calls

    async def _send(self, render: Render, key: ApiKey, refs: References) -> CreateAnswer:
        """Send the order, if this worker still holds the render. The lease is checked again as the bytes leave."""
        lease = Lease.from_now(self.gate.lease_s)
        if not await self._confirm(render):
            WITHHELD.inc()
            log.warning("order_withheld", render_id=render.render_id, reason="lease lost or job ended")
            return NotMade("lease lost")
        answer = await self.vendor.create(key, CreateRequest(render.feature, render.work, refs, lease))
        if isinstance(answer, NotMade):
            WITHHELD.inc()
        return answer

    async def _confirm(self, render: Render) -> bool:
        try:
            async with self.gate.begin() as tx:
                return await store.confirm(tx.conn, render, self.gate.lease_s)
        except Exception as error:
            if not is_unavailable(error):
                raise
            return False  # nothing was sent, so nothing is ambiguous

    async def _write(self, group: Sequence[Submitted]) -> Sequence[None]:
        async with self.gate.begin() as tx:
            await self.gate.settle(tx, [call for one in group for call in one.calls])
            await circuits.note_outcomes(tx.conn, [(one.render.feature.name, one.answer) for one in group])
            held = await store.lock_held(tx.conn, [one.render for one in group])
            await self._write_held(tx, [one for one in group if one.render.render_id in held])
            await self._write_late(tx, [one for one in group if one.render.render_id not in held])
        return [None] * len(group)

    async def _write_held(self, tx: Tx, group: Sequence[Submitted]) -> None:
        await self._write_created(tx, _created(group))
        await store.return_to_queue(tx.conn, [back for one in group if (back := _setback(one))])
        lost = [one.render for one in group if isinstance(one.answer, NoAnswer)]
        if lost:
            await recovery.mark_ambiguous(tx.conn, [render.render_id for render in lost], FIRST_SEARCH_S)
            tx.after_commit(self.on_ambiguous)
        await completion.succeed(tx, [(one.render, one.answer) for one in group if isinstance(one.answer, Success)])
        await completion.fail(tx, [(one.render, fail) for one in group if (fail := _failure(one))])

    async def _write_created(self, tx: Tx, created: Sequence[tuple[Render, StartedTask]]) -> None:
        await store.mark_running(tx.conn, [started for _, started in created], self.poll_after_s)
        for render, started in created:
            _emit_started(tx, render, started.task_id)
        if created:
            tx.after_commit(self.on_task_started)

    async def _write_late(self, tx: Tx, group: Sequence[Submitted]) -> None:
        """Write answers to orders that had become ambiguous: they resume, unless they were given up or dropped."""
        created = _created(group)
        resumed = await recovery.note_late_task(tx.conn, [started for _, started in created])
        for render, started in created:
            outcome = "resumed" if render.render_id in resumed else "orphaned"
            tx.after_commit(LATE.labels(outcome).inc)
            if render.render_id in resumed:
                _emit_started(tx, render, started.task_id)
                tx.after_commit(self.on_task_started)
            else:
                log.error("task_without_render", render_id=render.render_id, task_id=started.task_id)


def _emit_started(tx: Tx, render: Render, task_id: str) -> None:
    outbox.add(tx, completion.started_event(render, task_id), tenant=render.tenant_id, cause=render.cause)


def _created(group: Sequence[Submitted]) -> list[tuple[Render, StartedTask]]:
    """Return those of which a task exists."""
    return [
        (one.render, StartedTask(one.render.render_id, one.answer.task_id, one.at))
        for one in group
        if isinstance(one.answer, Created)
    ]


def _setback(one: Submitted) -> Setback | None:
    """Return why the render goes back to the queue, if no task was created and one may be later."""
    render_id, tries = one.render.render_id, one.render.setbacks + 1
    match one.answer:
        case Throttled():
            return Setback(render_id, errors.SATURATED.code, 0, counts=False)  # the pause of its key decides
        case Unreachable():
            return Setback(render_id, errors.UNAVAILABLE.code, 0, counts=False)
        case Refused(status=status, code=code) if is_about_the_key(status, code):
            return Setback(render_id, errors.UNAVAILABLE.code, 0, counts=False)
        case UnusableInputs(reason=None) if not _is_hopeless(one):
            return Setback(render_id, errors.UNAVAILABLE.code, RETRY.draw_s(tries), counts=True)
        case NotMade():
            return Setback(render_id, one.render.code, 0, counts=False)
    return None


def _failure(one: Submitted) -> Failure | None:
    """Return how the render fails, if it does."""
    match one.answer:
        case Refused(status=status, code=code) if not is_about_the_key(status, code):
            log.error("vendor_refused_task", render_id=one.render.render_id, status=status, code=code)
            return Failure(errors.request_failure(status, code), code)
        case UnusableInputs(reason=None) if _is_hopeless(one):
            return Failure(errors.UNAVAILABLE)
        case UnusableInputs(reason=reason) if reason:
            return Failure(reason)
        case Failure() as ended:
            return ended
        case NoAnswer(reason=reason):
            log.error("order_ambiguous", render_id=one.render.render_id, reason=reason)
    return None


def _is_hopeless(one: Submitted) -> bool:
    """Return whether its inputs, which cost a call each time, were refused too often."""
    return one.render.setbacks + 1 >= MAX_SETBACKS and any(isinstance(call.answer, NoAnswer) for call in one.calls)
