"""Collection: poll tasks that a webhook announced or that are due, and store their results as the tenant's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.leased_work import Claimed
from closet_chassis.telemetry import current_traceparent, span_from
from closet_chassis.worker import Wake
from closet_messaging.transaction import Tx
from closet_storage.objects import StorageUnavailable
from closet_storage.picture import PictureRejected
from closet_storage.pool import PoolUnavailable

from perfect_adapter.copies import store as copies
from perfect_adapter.queue import circuits
from perfect_adapter.quota.gate import CompletedCall, QuotaGate
from perfect_adapter.renders import completion, recovery, store, webhooks
from perfect_adapter.renders.completion import Failure, Success, write_outcome
from perfect_adapter.renders.render import Render
from perfect_adapter.renders.results import NoResult, ResultStorage
from perfect_adapter.renders.states import MAX_COLLECT_TRIES, RenderState, next_poll_s, retry_s
from perfect_adapter.renders.store import Reschedule
from perfect_adapter.vendor import errors
from perfect_adapter.vendor.answers import (
    DownloadFailed,
    DownloadRefused,
    Failed,
    NoAnswer,
    PollAnswer,
    Refused,
    Running,
    Succeeded,
    Throttled,
    TimedOut,
    Unreachable,
)
from perfect_adapter.vendor.archives import ArchiveRejected
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.keys import is_about_the_key

log = structlog.get_logger(__name__)

RACED_S = 0.05
"""Another replica has claimed what this one saw; there may be more."""
_NO_ANSWER_S = 2.0
_STORAGE_UNAVAILABLE_S = 2.0
_REFUSED_S = 15.0

CollectOutcome = Success | Failure | Reschedule


@dataclass(frozen=True, slots=True)
class ClaimedPoll:
    """A render to poll, and the call charged for it."""

    render: Render
    call_id: int


@dataclass(frozen=True, slots=True)
class Collected:
    """A polled render, with the trace of the work, the vendor's answer, and what it means."""

    render: Render
    call: CompletedCall
    answer: PollAnswer
    outcome: CollectOutcome


@dataclass(eq=False, kw_only=True)
class Collector:
    """The leased worker of polls and results.

    `on_ambiguous` is called when a webhook names a task of no known render while orders are ambiguous;
    `should_delete_copies` tells of which tenants the vendor's copies are deleted, and `on_copy_to_delete` is called
    when there is one to delete.
    """

    gate: QuotaGate
    vendor: VendorClient
    results: ResultStorage
    poll_after_s: float
    on_ambiguous: Callable[[], None]
    should_delete_copies: Callable[[str], bool]
    on_copy_to_delete: Callable[[], None]
    wake: Wake = field(default_factory=Wake)
    _writer: Batcher[Collected, None] = field(init=False)
    _open_webhooks: int = field(default=0, init=False)
    _tasks_started: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._writer = Batcher(self._write)

    def on_task_started(self) -> None:
        """Match webhooks again, if one may have overtaken the task whose id has just been stored."""
        self._tasks_started += 1
        if self._open_webhooks:
            self.wake.set()

    async def claim(self, limit: int) -> Claimed[ClaimedPoll]:
        """Claim what webhooks announced and what is due, and charge the polls, in one transaction."""
        started = self._tasks_started
        claimed = await self._claim(limit)
        if self._open_webhooks and self._tasks_started > started:
            self.wake.set()  # it started while we matched
        return claimed

    async def renew(self, claims: Sequence[ClaimedPoll]) -> None:
        """Renew the leases of claimed renders."""
        async with self.gate.begin() as tx:
            await store.renew(tx.conn, [claim.render for claim in claims], self.gate.lease_s)

    async def _claim(self, limit: int) -> Claimed[ClaimedPoll]:
        await self._match()
        async with self.gate.begin() as tx:
            due = await store.find_due_running(tx.conn, list(self.gate.ring.keys), limit)
            if not due:
                return Claimed((), await store.next_due_in_s(tx.conn, RenderState.RUNNING))
            admitted, wait_s = await self.gate.admit(tx, [key for _, key in due])
            allowed = [render_id for (render_id, _), ok in zip(due, admitted, strict=True) if ok]
            taken = await store.take(tx.conn, allowed, RenderState.RUNNING, self.gate.lease_s, polls=1)
            call_ids = await self.gate.charge(tx, "poll", [(one.key, one.render_id) for one in taken])
        claims = [ClaimedPoll(one, call_id) for one, call_id in zip(taken, call_ids, strict=True)]
        if all(admitted):
            return Claimed(claims, None if len(taken) == len(due) else RACED_S)
        return Claimed(claims, wait_s)

    async def _match(self) -> None:
        """Match webhooks, in a transaction of its own: quota subjects are locked before renders, see `lock_order`."""
        async with self.gate.begin() as tx:
            self._open_webhooks = await webhooks.match(tx.conn)
            if (
                self._open_webhooks
                and await webhooks.mark_searched(tx.conn)
                and await recovery.search_ambiguous_now(tx.conn)
            ):
                tx.after_commit(self.on_ambiguous)

    async def work(self, claim: ClaimedPoll) -> None:
        """Poll the task; if it succeeded, store its result."""
        render = claim.render
        attributes = {"closet.render_id": render.render_id, "closet.feature": render.feature.name}
        with span_from(render.traceparent, "collect render", attributes=attributes) as span:
            answer = await self.vendor.get_task(self.gate.key(render.key), render.feature, render.task_id or "")
            outcome = await self._outcome(render, answer)
            span.set_attribute("closet.outcome", type(outcome).__name__)
            traced = replace(render, traceparent=current_traceparent())
            call = CompletedCall(claim.call_id, render.key, answer)
            await write_outcome(self._writer, Collected(traced, call, answer, outcome))

    async def _outcome(self, render: Render, answer: PollAnswer) -> CollectOutcome:
        now = datetime.now(UTC)
        match answer:
            case Succeeded():
                return await self._store_results(render, answer, now)
            case Failed(code=code):
                return Failure(errors.engine_failure(code), code, now)
            case Running(interval_s=interval_s):
                return _reschedule(render, next_poll_s(self.poll_after_s, _earlier_polls(render), interval_s))
            case TimedOut():
                return _timed_out(render, now)
            case Refused(status=status, code=code):
                return _refused(render, status, code, now)
            case NoAnswer() | Throttled() | Unreachable():
                # The pause of its key decides where nothing was done.
                delay_s = next_poll_s(_NO_ANSWER_S, _earlier_polls(render), 0) if isinstance(answer, NoAnswer) else 0
                return _reschedule(render, delay_s)

    async def _store_results(self, render: Render, made: Succeeded, ended: datetime) -> CollectOutcome:
        try:
            return Success(await self.results.store_results(render, made), ended)
        except NoResult:
            return Failure(errors.NO_RESULT, None, ended)
        except DownloadRefused as refused:
            log.error("result_refused", render_id=render.render_id, reason=str(refused))  # noqa: TRY400 no stack needed
            return Failure(errors.BAD_RESULT, None, ended)
        except DownloadFailed as failed:
            return _retry(render, errors.NO_RESULT, str(failed), ended)
        except (PictureRejected, ArchiveRejected) as rejected:  # it may have been cut off on its way
            return _retry(render, errors.BAD_RESULT, str(rejected), ended)
        except (StorageUnavailable, PoolUnavailable) as error:
            log.warning("result_postponed", render_id=render.render_id, error=str(error))
            return replace(
                _reschedule(render, next_poll_s(_STORAGE_UNAVAILABLE_S, _earlier_polls(render), 0)), is_made=True
            )

    async def _write(self, group: Sequence[Collected]) -> Sequence[None]:
        async with self.gate.begin() as tx:
            await self.gate.settle(tx, [one.call for one in group])
            ended = [one for one in group if not isinstance(one.outcome, Reschedule)]
            await circuits.note_outcomes(tx.conn, [(one.render.feature.name, one.answer) for one in ended])
            held = await store.lock_held(tx.conn, [one.render for one in group])
            ours = [one for one in group if one.render.render_id in held]
            done = [(one.render, one.outcome) for one in ours if isinstance(one.outcome, Success)]
            await completion.succeed(tx, done)
            await completion.fail(tx, [(one.render, one.outcome) for one in ours if isinstance(one.outcome, Failure)])
            await store.reschedule(tx.conn, [one.outcome for one in ours if isinstance(one.outcome, Reschedule)])
            await self._delete_copies(tx, [render for render, _ in done])
        return [None] * len(group)

    async def _delete_copies(self, tx: Tx, collected: Sequence[Render]) -> None:
        wanted = [one for one in collected if self.should_delete_copies(one.tenant_id)]
        if wanted:
            await copies.add(tx.conn, [(one.task_id or "", one.key) for one in wanted])
            tx.after_commit(self.on_copy_to_delete)


def _earlier_polls(render: Render) -> int:
    """Return how many polls there were before this one."""
    return max(0, render.polls - 1)


def _reschedule(render: Render, delay_s: float) -> Reschedule:
    return Reschedule(render.render_id, delay_s, render.webhook_at)


def _retry(render: Render, failure: errors.FailureReason, error: str, ended: datetime) -> CollectOutcome:
    """Poll again for a fresh URL, but not for ever."""
    tries = render.tries + 1
    log.warning("result_not_collected", render_id=render.render_id, reason=error, tries=tries)
    if tries >= MAX_COLLECT_TRIES:
        return Failure(failure, None, ended)
    return replace(_reschedule(render, retry_s(tries)), has_failed=True, is_made=True)


def _timed_out(render: Render, ended: datetime) -> CollectOutcome:
    """End a task that timed out twice, unless it had succeeded: then it is paid for, and its result exists."""
    if render.is_made:
        return _retry(render, errors.NO_RESULT, "TaskTimeout", ended)
    if render.timeouts:
        log.error("vendor_task_timed_out", render_id=render.render_id)
        return Failure(errors.TASK_TIMED_OUT, "TaskTimeout", ended)
    return replace(_reschedule(render, _NO_ANSWER_S), has_timed_out=True)


def _refused(render: Render, status: int, code: str | None, ended: datetime) -> CollectOutcome:
    """Wait, if the refusal is about our key: the task is paid for. Otherwise the task does not exist."""
    log.error("vendor_refused_poll", render_id=render.render_id, status=status, code=code)
    if not is_about_the_key(status, code):
        return Failure(errors.TASK_LOST, code, ended)
    return _reschedule(render, next_poll_s(_REFUSED_S, _earlier_polls(render), 0))
