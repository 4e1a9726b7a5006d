"""Submitting: the intent is written, the task is created by one POST, and what came of it is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.lanes import Claimed
from closet_chassis.telemetry import current_traceparent, span_from
from closet_contracts.render import RenderStarted
from closet_messaging import outbox
from closet_messaging.unit import Tx
from closet_storage.signing import Signer

from perfect_adapter.domain import errors
from perfect_adapter.domain.quota import Wish
from perfect_adapter.domain.renders import State
from perfect_adapter.ports import Created, NoAnswer, Refused, Submission, Throttled, Unreachable, Vendor
from perfect_adapter.store import renders
from perfect_adapter.store.renders import Began, Render
from perfect_adapter.worker import ends
from perfect_adapter.worker.ends import Fail
from perfect_adapter.worker.lane import LEASE_S, KeyLane, write_down

log = structlog.get_logger(__name__)

INPUT_URL_LIVES_S = 3600
# Nothing is ordered that could not be there in time: it would be paid for and thrown away.
TIME_NEEDED_S = 2.0
# A created task costs its creation and a look at its end.
CALLS_PER_TASK = 2


@dataclass(frozen=True, slots=True)
class Submitted:
    """A render, with the trace of the work done, and what the vendor answered, when."""

    render: Render
    answer: Submission
    at: datetime


@dataclass(eq=False)
class Submitter:
    """The lane of submissions. `begun` is called when a task has begun."""

    lane: KeyLane
    vendor: Vendor
    signer: Signer
    look_after_s: float
    begun: Callable[[], None]
    _written: Batcher[Submitted, None] = field(init=False)

    def __post_init__(self) -> None:
        self._written = Batcher(self._write)

    async def claim(self, limit: int) -> Claimed[Render]:
        """Take what is next, charge its calls and write the intents, in one transaction."""
        async with self.lane.begin() as tx:
            waiting = await renders.next_waiting(tx.conn, TIME_NEEDED_S, limit)
            if not waiting:
                return Claimed(())
            owed = await renders.at_vendor(tx.conn) if self.lane.budget.is_limited else 0
            grant = await self.lane.charge(tx, Wish(len(waiting), CALLS_PER_TASK, owed))
            taken = await renders.take(tx.conn, waiting[: grant.count], State.SUBMITTING, self.lane.name, LEASE_S)
        return Claimed(taken, grant.wait_s if grant.count < len(waiting) else None)

    async def work(self, render: Render) -> None:
        """Create the task, once. From here until the outcome is written, a crash leaves it unknown."""
        attributes = {"closet.render_id": render.render_id}
        with span_from(render.traceparent, "submit render", attributes=attributes) as span:
            urls = {role: self.signer.get_url(key, INPUT_URL_LIVES_S) for role, key in render.inputs.items()}
            answer = await self.vendor.create(render.work, urls)
            span.set_attribute("closet.outcome", type(answer).__name__)
            traced = replace(render, traceparent=current_traceparent())
            await write_down(self._written, Submitted(traced, answer, datetime.now(UTC)))

    async def _write(self, group: Sequence[Submitted]) -> Sequence[None]:
        async with self.lane.begin() as tx:
            held = await renders.hold(tx.conn, [one.render for one in group])
            await self._write_held(tx, [one for one in group if one.render.render_id in held])
            await _write_late(tx, [one for one in group if one.render.render_id not in held])
            await self._adjust_lane(tx, group)
        return [None] * len(group)

    async def _write_held(self, tx: Tx, group: Sequence[Submitted]) -> None:
        created = _created(group)
        await renders.mark_running(tx.conn, [began for _, began in created], self.look_after_s)
        for render, began in created:
            started = RenderStarted(job_id=render.job_id, attempt=render.attempt, vendor_task_id=began.task_id)
            outbox.add(tx, started, tenant=render.tenant_id, cause=render)
        if created:
            tx.after_commit(self.begun)
        await renders.back_to_waiting(tx.conn, [(one.render.render_id, code) for one in group if (code := _why(one))])
        await ends.fail(tx, [(one.render, fail) for one in group if (fail := _failure(one))])

    async def _adjust_lane(self, tx: Tx, group: Sequence[Submitted]) -> None:
        answers = [one.answer for one in group]
        await self.lane.adjust(
            tx,
            throttled=any(isinstance(answer, Throttled) for answer in answers),
            unreachable=any(isinstance(answer, Unreachable) for answer in answers),
            answered=any(isinstance(answer, Created) for answer in answers),
        )


async def _write_late(tx: Tx, group: Sequence[Submitted]) -> None:
    """Answers that came after the render was given up, or dropped: tell nobody, but forget no task that exists."""
    created = _created(group)
    await renders.note_task(tx.conn, [began for _, began in created])
    for render, began in created:
        log.error("task_without_a_render", render_id=render.render_id, task_id=began.task_id)


def _created(group: Sequence[Submitted]) -> list[tuple[Render, Began]]:
    return [
        (one.render, Began(one.render.render_id, one.answer.task_id, one.at))
        for one in group
        if isinstance(one.answer, Created)
    ]


def _why(one: Submitted) -> str | None:
    """Why it goes back to where it came from, if no task was created and one may be later."""
    match one.answer:
        case Throttled():
            return errors.SATURATED.code
        case Unreachable():
            return errors.UNAVAILABLE.code
    return None


def _failure(one: Submitted) -> Fail | None:
    match one.answer:
        case Refused(status=status, code=code):
            log.error("vendor_refused_task", render_id=one.render.render_id, status=status, code=code)
            return Fail(errors.request_failure(status, code), code)
        case NoAnswer(reason=reason):
            log.error("task_is_ambiguous", render_id=one.render.render_id, reason=reason)
            return Fail(errors.AMBIGUOUS)
    return None
