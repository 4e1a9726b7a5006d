"""Collecting: a task whose end is known, or due to be looked for, is looked at; its result becomes the tenant's."""

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

from perfect_adapter.adapters.archives import ArchiveRejected
from perfect_adapter.domain import errors
from perfect_adapter.domain.keys import is_about_the_key
from perfect_adapter.domain.renders import MAX_COLLECT_TRIES, State, next_look_s, retry_s
from perfect_adapter.ports import (
    DownloadFailed,
    DownloadRefused,
    Failed,
    Look,
    NoAnswer,
    Refused,
    Running,
    Succeeded,
    Throttled,
    TimedOut,
    Unreachable,
    Vendor,
)
from perfect_adapter.store import deletions, doubts, renders, webhooks
from perfect_adapter.store.render import Render
from perfect_adapter.store.renders import Later
from perfect_adapter.worker import circuits, ends
from perfect_adapter.worker.ends import Done, Fail
from perfect_adapter.worker.line import Called, Line, write_down
from perfect_adapter.worker.results import NothingMade, Results

log = structlog.get_logger(__name__)

RACED_S = 0.05
"""Another replica has taken what was seen; there may be more."""
_NO_ANSWER_S = 2.0
_STORAGE_AWAY_S = 2.0
_REFUSED_S = 15.0

Outcome = Done | Fail | Later


@dataclass(frozen=True, slots=True)
class Claim:
    """A render whose task is to be looked at, and the call that is charged for it."""

    render: Render
    call_id: int


@dataclass(frozen=True, slots=True)
class Collected:
    """A render, with the trace of the work done, what the vendor answered, and what that means."""

    render: Render
    call: Called
    look: Look
    outcome: Outcome


@dataclass(eq=False)
class Collector:
    """The lane of looks and results.

    `doubted` is called when the vendor told of a task that nobody knows while orders are in doubt; `deletes` tells of
    whom the vendor's copies are deleted, and `deleting` is called when there is one to delete.
    """

    line: Line
    vendor: Vendor
    results: Results
    look_after_s: float
    doubted: Callable[[], None]
    deletes: Callable[[str], bool]
    deleting: Callable[[], None]
    wake: Wake = field(default_factory=Wake)
    _written: Batcher[Collected, None] = field(init=False)
    _open_webhooks: int = field(default=0, init=False)
    _tasks_begun: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._written = Batcher(self._write)

    def task_begun(self) -> None:
        """A task's id is stored: if a webhook has overtaken it, now is the time to match them."""
        self._tasks_begun += 1
        if self._open_webhooks:
            self.wake.set()

    async def claim(self, limit: int) -> Claimed[Claim]:
        """Take what webhooks told of and what is due to be looked at, and charge the looks, in one transaction."""
        begun = self._tasks_begun
        claimed = await self._claim(limit)
        if self._open_webhooks and self._tasks_begun > begun:
            self.wake.set()  # it began while we matched
        return claimed

    async def renew(self, claims: Sequence[Claim]) -> None:
        """Keep what is in hand."""
        await self.line.renew([claim.render for claim in claims])

    async def _claim(self, limit: int) -> Claimed[Claim]:
        await self._match()
        async with self.line.begin() as tx:
            due = await renders.due_running(tx.conn, list(self.line.ring.keys), limit)
            if not due:
                return Claimed((), await renders.next_due_in_s(tx.conn, State.RUNNING))
            admitted, wait_s = await self.line.admit(tx, [key for _, key in due])
            allowed = [render_id for (render_id, _), ok in zip(due, admitted, strict=True) if ok]
            taken = await renders.take(tx.conn, allowed, State.RUNNING, self.line.lease_s, looks=1)
            call_ids = await self.line.charge(tx, "look", [(one.key, one.render_id) for one in taken])
        claims = [Claim(one, call_id) for one, call_id in zip(taken, call_ids, strict=True)]
        if all(admitted):
            return Claimed(claims, None if len(taken) == len(due) else RACED_S)
        return Claimed(claims, wait_s)

    async def _match(self) -> None:
        """In a transaction of its own: parties are locked before renders, see `store.locks`."""
        async with self.line.begin() as tx:
            self._open_webhooks = await webhooks.match(tx.conn)
            if self._open_webhooks and await webhooks.begin_search(tx.conn) and await doubts.wake_all(tx.conn):
                tx.after_commit(self.doubted)

    async def work(self, claim: Claim) -> None:
        """Look at the task; if it succeeded, bring its result home."""
        render = claim.render
        attributes = {"closet.render_id": render.render_id, "closet.feature": render.feature.name}
        with span_from(render.traceparent, "collect render", attributes=attributes) as span:
            look = await self.vendor.look(self.line.key(render.key), render.feature, render.task_id or "")
            outcome = await self._outcome(render, look)
            span.set_attribute("closet.outcome", type(outcome).__name__)
            traced = replace(render, traceparent=current_traceparent())
            call = Called(claim.call_id, render.key, look)
            await write_down(self._written, Collected(traced, call, look, outcome))

    async def _outcome(self, render: Render, look: Look) -> Outcome:
        now = datetime.now(UTC)
        match look:
            case Succeeded():
                return await self._bring_home(render, look, now)
            case Failed(code=code):
                return Fail(errors.engine_failure(code), code, now)
            case Running(interval_s=interval_s):
                return _later(render, next_look_s(self.look_after_s, _looks(render), interval_s))
            case TimedOut():
                return _timed_out(render, now)
            case Refused(status=status, code=code):
                return _refused(render, status, code, now)
            case NoAnswer() | Throttled() | Unreachable():
                # The pause of its key decides where nothing was done.
                delay_s = next_look_s(_NO_ANSWER_S, _looks(render), 0) if isinstance(look, NoAnswer) else 0
                return _later(render, delay_s)

    async def _bring_home(self, render: Render, made: Succeeded, ended: datetime) -> Outcome:
        try:
            return Done(await self.results.bring_home(render, made), ended)
        except NothingMade:
            return Fail(errors.NO_RESULT, None, ended)
        except DownloadRefused as refused:
            log.error("result_refused", render_id=render.render_id, reason=str(refused))  # noqa: TRY400 no stack needed
            return Fail(errors.BAD_RESULT, None, ended)
        except DownloadFailed as failed:
            return _once_more(render, errors.NO_RESULT, str(failed), ended)
        except (PictureRejected, ArchiveRejected) as rejected:  # it may have been cut off on its way
            return _once_more(render, errors.BAD_RESULT, str(rejected), ended)
        except (StorageUnavailable, PoolUnavailable) as error:
            log.warning("result_waits", render_id=render.render_id, error=str(error))
            return replace(_later(render, next_look_s(_STORAGE_AWAY_S, _looks(render), 0)), is_made=True)

    async def _write(self, group: Sequence[Collected]) -> Sequence[None]:
        async with self.line.begin() as tx:
            await self.line.settle(tx, [one.call for one in group])
            ended = [one for one in group if not isinstance(one.outcome, Later)]
            await circuits.note(tx.conn, [(one.render.feature.name, one.look) for one in ended])
            held = await renders.hold(tx.conn, [one.render for one in group])
            ours = [one for one in group if one.render.render_id in held]
            done = [(one.render, one.outcome) for one in ours if isinstance(one.outcome, Done)]
            await ends.succeed(tx, done)
            await ends.fail(tx, [(one.render, one.outcome) for one in ours if isinstance(one.outcome, Fail)])
            await renders.look_later(tx.conn, [one.outcome for one in ours if isinstance(one.outcome, Later)])
            await self._delete_copies(tx, [render for render, _ in done])
        return [None] * len(group)

    async def _delete_copies(self, tx: Tx, collected: Sequence[Render]) -> None:
        wanted = [one for one in collected if self.deletes(one.tenant_id)]
        if wanted:
            await deletions.add(tx.conn, [(one.task_id or "", one.key) for one in wanted])
            tx.after_commit(self.deleting)


def _looks(render: Render) -> int:
    """How many there were before this one."""
    return max(0, render.looks - 1)


def _later(render: Render, delay_s: float) -> Later:
    return Later(render.render_id, delay_s, render.told_at)


def _once_more(render: Render, failure: errors.Failure, reason: str, ended: datetime) -> Outcome:
    """A fresh look gives a fresh URL, but not for ever."""
    tries = render.tries + 1
    log.warning("result_not_collected", render_id=render.render_id, reason=reason, tries=tries)
    if tries >= MAX_COLLECT_TRIES:
        return Fail(failure, None, ended)
    return replace(_later(render, retry_s(tries)), failed=True, is_made=True)


def _timed_out(render: Render, ended: datetime) -> Outcome:
    """It is about this one task; said twice, it is over, unless it had succeeded: that is paid for, and is there."""
    if render.is_made:
        return _once_more(render, errors.NO_RESULT, "TaskTimeout", ended)
    if render.timeouts:
        log.error("vendor_task_timed_out", render_id=render.render_id)
        return Fail(errors.TASK_TIMED_OUT, "TaskTimeout", ended)
    return replace(_later(render, _NO_ANSWER_S), timed_out=True)


def _refused(render: Render, status: int, code: str | None, ended: datetime) -> Outcome:
    """Either it is about us: then the task is paid for and worth waiting for; or the task is not there, for good."""
    log.error("vendor_refused_look", render_id=render.render_id, status=status, code=code)
    if not is_about_the_key(status, code):
        return Fail(errors.TASK_LOST, code, ended)
    return _later(render, next_look_s(_REFUSED_S, _looks(render), 0))
