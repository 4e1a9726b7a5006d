"""Submitting: the intent is written, the task is created by one POST, and what came of it is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.lanes import Claimed
from closet_chassis.telemetry import current_traceparent, span_from
from closet_chassis.worker import Wake
from closet_contracts.render import RenderStarted
from closet_messaging import outbox
from closet_messaging.unit import Tx

from perfect_adapter.domain import errors
from perfect_adapter.domain.breaker import PROBE_S
from perfect_adapter.domain.doubt import LOOK_FIRST_S
from perfect_adapter.domain.keys import is_about_the_key
from perfect_adapter.domain.quota import Order
from perfect_adapter.domain.room import Rules, Waiting
from perfect_adapter.ports import Created, Finished, NoAnswer, Refused, Submission, Throttled, Unreachable, Vendor
from perfect_adapter.store import doubts, renders, room
from perfect_adapter.store.render import Render
from perfect_adapter.store.renders import Began
from perfect_adapter.store.room import View
from perfect_adapter.worker import circuits, ends
from perfect_adapter.worker.ends import Done, Fail
from perfect_adapter.worker.inputs import Inputs, NotUsable
from perfect_adapter.worker.line import Called, Line, NotMade, write_down
from perfect_adapter.worker.results import Results

log = structlog.get_logger(__name__)

# Nothing is ordered that could not be there in time: it would be paid for and thrown away.
TIME_NEEDED_S = 2.0


@dataclass(frozen=True, slots=True)
class Submitted:
    """A render, with the trace of the work done, and what the vendor answered, when."""

    render: Render
    calls: Sequence[Called]
    answer: Submission | NotUsable | Done | Fail
    at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A render to be submitted, and the calls that are charged for it: its creation, and bringing its files."""

    render: Render
    create_call: int
    file_call: int | None


@dataclass(frozen=True, slots=True)
class Terms:
    """How orders are made. `at_once`: how many of one key may be in hand or in doubt at the same time."""

    rules: Rules
    at_once: int
    calls_per_task: int
    look_after_s: float


@dataclass(eq=False)
class Submitter:
    """The lane of submissions. `begun` is called when a task has begun, `doubted` when one is in doubt."""

    line: Line
    vendor: Vendor
    inputs: Inputs
    results: Results
    terms: Terms
    begun: Callable[[], None]
    doubted: Callable[[], None]
    wake: Wake = field(default_factory=Wake)
    _written: Batcher[Submitted, None] = field(init=False)

    def __post_init__(self) -> None:
        self._written = Batcher(self._write)

    async def claim(self, limit: int) -> Claimed[Claim]:
        """Take who is next, charge the calls and write the intents, in one transaction."""
        async with self.line.begin() as tx:
            if not await room.anyone(tx.conn):
                return Claimed(())
            slots = await room.enter(tx.conn)
            order = Order(limit, self.terms.calls_per_task, self.terms.at_once)
            allotment = await self.line.allot(tx, order)
            if not allotment.keys:
                return Claimed((), allotment.wait_s)
            chosen = await self._choose(tx, slots, len(allotment.keys))
            keys = {one.render_id: key for one, key in zip(chosen, allotment.keys, strict=False)}
            claims = await self._take(tx, keys)
        return Claimed(claims, allotment.wait_s if len(claims) == len(allotment.keys) else None)

    async def renew(self, claims: Sequence[Claim]) -> None:
        """Keep what is in hand."""
        await self.line.renew([claim.render for claim in claims])

    async def work(self, claim: Claim) -> None:
        """Create the task, once. From here until the outcome is written, a crash leaves it unknown."""
        render = claim.render
        attributes = {"closet.render_id": render.render_id, "closet.feature": render.feature.name}
        with span_from(render.traceparent, "submit render", attributes=attributes) as span:
            answer, calls = await self._order(claim)
            span.set_attribute("closet.outcome", type(answer).__name__)
            traced = replace(render, traceparent=current_traceparent())
            await write_down(self._written, Submitted(traced, calls, answer, datetime.now(UTC)))
        if isinstance(answer, Created | Done | Fail | NotUsable):
            self.wake.set()  # its key may take the next one

    async def _choose(self, tx: Tx, slots: int, count: int) -> Sequence[Waiting]:
        closed = await circuits.closed(tx.conn, PROBE_S)
        rules = self.terms.rules
        seen = await room.look_around(tx.conn, slots, View(count, TIME_NEEDED_S, closed, bool(rules.cap)))
        chosen = seen.choose(count, rules)
        await room.leave(tx.conn, seen)
        return chosen

    async def _take(self, tx: Tx, keys: Mapping[str, str]) -> list[Claim]:
        taken = await renders.take_for_submission(tx.conn, keys, self.line.lease_s)
        uploading = [one for one in taken if self.inputs.are_uploaded(one)]
        created = await self._charge(tx, "create", taken)
        uploaded = await self._charge(tx, "file", uploading)
        return [Claim(one, created[one.render_id], uploaded.get(one.render_id)) for one in taken]

    async def _charge(self, tx: Tx, operation: str, taken: Sequence[Render]) -> dict[str, int]:
        call_ids = await self.line.charge(tx, operation, [(one.key, one.render_id) for one in taken])
        return {one.render_id: call_id for one, call_id in zip(taken, call_ids, strict=True)}

    async def _order(self, claim: Claim) -> tuple[Submission | NotUsable | Done | Fail, Sequence[Called]]:
        render, key = claim.render, self.line.key(claim.render.key)
        refs, uploaded = await self.inputs.refer(render, key)
        calls = [Called(claim.file_call, key.name, uploaded or NotMade())] if claim.file_call is not None else []
        if isinstance(refs, NotUsable):
            return refs, [*calls, Called(claim.create_call, key.name, NotMade())]
        answer = await self.vendor.create(key, render.feature, render.work, refs)
        calls.append(Called(claim.create_call, key.name, answer))
        if isinstance(answer, Finished):
            return await self.results.keep(render, answer), calls
        return answer, calls

    async def _write(self, group: Sequence[Submitted]) -> Sequence[None]:
        async with self.line.begin() as tx:
            held = await renders.hold(tx.conn, [one.render for one in group])
            await self._write_held(tx, [one for one in group if one.render.render_id in held])
            await self._write_late(tx, [one for one in group if one.render.render_id not in held])
            await self.line.settle(tx, [call for one in group for call in one.calls])
            await circuits.note(tx.conn, [(one.render.feature.name, one.answer) for one in group])
        return [None] * len(group)

    async def _write_held(self, tx: Tx, group: Sequence[Submitted]) -> None:
        await self._write_created(tx, _created(group))
        await renders.back_to_waiting(tx.conn, [(one.render.render_id, code) for one in group if (code := _why(one))])
        lost = [one.render for one in group if isinstance(one.answer, NoAnswer)]
        if lost:
            await doubts.begin(tx.conn, [render.render_id for render in lost], LOOK_FIRST_S)
            tx.after_commit(self.doubted)
        await ends.succeed(tx, [(one.render, one.answer) for one in group if isinstance(one.answer, Done)])
        await ends.fail(tx, [(one.render, fail) for one in group if (fail := _failure(one))])

    async def _write_created(self, tx: Tx, created: Sequence[tuple[Render, Began]]) -> None:
        await renders.mark_running(tx.conn, [began for _, began in created], self.terms.look_after_s)
        for render, began in created:
            _tell_started(tx, render, began.task_id)
        if created:
            tx.after_commit(self.begun)

    async def _write_late(self, tx: Tx, group: Sequence[Submitted]) -> None:
        """Answers that came after the order was in doubt: it is in doubt no more; or it was given up, or dropped."""
        created = _created(group)
        going_on = await renders.note_task(tx.conn, [began for _, began in created])
        for render, began in created:
            if render.render_id in going_on:
                _tell_started(tx, render, began.task_id)
                tx.after_commit(self.begun)
            else:
                log.error("task_without_a_render", render_id=render.render_id, task_id=began.task_id)


def _tell_started(tx: Tx, render: Render, task_id: str) -> None:
    started = RenderStarted(job_id=render.job_id, item=render.item, attempt=render.attempt, vendor_task_id=task_id)
    outbox.add(tx, started, tenant=render.tenant_id, cause=render)


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
        case Unreachable() | NotUsable(failure=None):
            return errors.UNAVAILABLE.code
        case Refused(status=status, code=code) if is_about_the_key(status, code):
            return errors.UNAVAILABLE.code
    return None


def _failure(one: Submitted) -> Fail | None:
    match one.answer:
        case Refused(status=status, code=code) if not is_about_the_key(status, code):
            log.error("vendor_refused_task", render_id=one.render.render_id, status=status, code=code)
            return Fail(errors.request_failure(status, code), code)
        case NotUsable(failure=failure) if failure:
            return Fail(failure)
        case Fail() as fail:
            return fail
        case NoAnswer(reason=reason):
            log.error("task_is_in_doubt", render_id=one.render.render_id, reason=reason)
    return None
