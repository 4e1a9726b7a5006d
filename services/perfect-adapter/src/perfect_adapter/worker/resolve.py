"""Resolving doubts: a task that may exist is looked for before anything is repeated or given up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from closet_chassis.lanes import Claimed
from closet_chassis.telemetry import span_from
from closet_chassis.worker import Wake
from closet_contracts.render import RenderStarted
from closet_messaging import outbox
from closet_messaging.unit import Tx
from prometheus_client import Counter

from perfect_adapter.domain import errors
from perfect_adapter.domain.doubt import (
    LOOK_FIRST_S,
    Adopt,
    LookAt,
    NoTrace,
    Policy,
    ReadHistory,
    Step,
    Undecidable,
    Verdict,
    goes_on,
    look_again_in_s,
    next_step,
)
from perfect_adapter.domain.renders import State
from perfect_adapter.ports import Failed, History, Refused, Running, Succeeded, Vendor
from perfect_adapter.store import doubts, renders
from perfect_adapter.store.render import Render
from perfect_adapter.worker import ends
from perfect_adapter.worker.ends import Fail
from perfect_adapter.worker.line import Called, Line

log = structlog.get_logger(__name__)

MAX_PAGES = 20
MAX_REPEATS = 3

RESOLVED = Counter("closet_vendor_doubts_total", "Orders in doubt, by what became of them", ["outcome"])


@dataclass(frozen=True, slots=True)
class Patience:
    """`wait_s`: how long an order is looked for; then `policy`, with at most so many `repeats` a day.

    `longest_s`: so long after it was ordered a task may turn up that was not found by then; until that time nothing
    that turns up is taken for another order's.
    """

    wait_s: float
    policy: Policy
    repeats: int
    longest_s: float


@dataclass(frozen=True, slots=True)
class Claim:
    """An order in doubt, what is to be done about it now, and the call that is charged for it."""

    render: Render
    step: LookAt | ReadHistory
    call_id: int


@dataclass(eq=False)
class Resolver:
    """The lane of doubts, one at a time. `begun`: a lost task was found; `freed`: a key may take orders again."""

    line: Line
    vendor: Vendor
    patience: Patience
    begun: Callable[[], None]
    freed: Callable[[], None]
    wake: Wake = field(default_factory=Wake)

    async def claim(self, _limit: int) -> Claimed[Claim]:
        """Take the one that is due; what needs no call is decided at once."""
        async with self.line.begin() as tx:
            render = await doubts.next_due(tx.conn, list(self.line.ring.keys))
            if render is None:
                return Claimed((), await renders.next_due_in_s(tx.conn, State.DOUBTFUL))
            strays = await doubts.strays(tx.conn, render)
            rivals = await doubts.rivals(tx.conn, render, self.patience.longest_s)
            step = self._step_in_time(render, next_step(strays, rivals))
            if not isinstance(step, LookAt | ReadHistory):
                await self._decide(tx, render, step)
                self.wake.set()
                return Claimed(())
            admitted, wait_s = await self.line.admit(tx, [render.key])
            if not all(admitted):
                return Claimed((), wait_s)
            (taken,) = await renders.take(tx.conn, [render.render_id], self.line.lease_s)
            operation = "look" if isinstance(step, LookAt) else "history"
            (call_id,) = await self.line.charge(tx, operation, [(render.key, render.render_id)])
        return Claimed((Claim(taken, step, call_id),))

    async def renew(self, claims: Sequence[Claim]) -> None:
        """Keep what is in hand."""
        await self.line.renew([claim.render for claim in claims])

    async def work(self, claim: Claim) -> None:
        """Make the one call and remember what it shows."""
        with span_from(
            claim.render.traceparent, "resolve doubt", attributes={"closet.render_id": claim.render.render_id}
        ):
            match claim.step:
                case LookAt(task_id=task_id):
                    await self._look(claim, task_id)
                case ReadHistory():
                    await self._read_history(claim)
        self.wake.set()

    def _step_in_time(self, render: Render, step: Step) -> Step:
        """There is an end to looking: when the account was searched after the wait was over."""
        if render.feature.classic:
            return Undecidable()  # there is nothing that it could be found by
        return NoTrace() if isinstance(step, ReadHistory) and self._is_searched(render) else step

    def _is_searched(self, render: Render) -> bool:
        if render.asked_at is None or render.searched_at is None:
            return False
        return (render.searched_at - render.asked_at).total_seconds() > self.patience.wait_s

    def _is_late(self, render: Render) -> bool:
        now = datetime.now(UTC)
        return render.feature.classic or (now - (render.asked_at or now)).total_seconds() > self.patience.wait_s

    async def _decide(self, tx: Tx, render: Render, step: Adopt | Undecidable | NoTrace) -> None:
        if isinstance(step, Adopt):
            await self._adopt(tx, render, step.task_id)
        elif isinstance(step, Undecidable) and not self._is_late(render):
            await doubts.look_again(tx.conn, render, LOOK_FIRST_S)
        elif isinstance(step, NoTrace) and await self._may_repeat(tx, render):
            log.error("order_repeated", render_id=render.render_id)
            RESOLVED.labels("repeated").inc()
            await doubts.repeat(tx.conn, render)
            tx.after_commit(self.freed)
        else:
            log.error("order_given_up", render_id=render.render_id, why=type(step).__name__)
            RESOLVED.labels("given_up").inc()
            await ends.fail(tx, [(render, Fail(errors.AMBIGUOUS))])
            tx.after_commit(self.freed)

    async def _may_repeat(self, tx: Tx, render: Render) -> bool:
        if self.patience.policy is not Policy.REPEAT or render.repeats >= MAX_REPEATS:
            return False
        return await doubts.repeats_today(tx.conn) < self.patience.repeats

    async def _adopt(self, tx: Tx, render: Render, task_id: str) -> None:
        log.warning("lost_task_found", render_id=render.render_id, task_id=task_id)
        RESOLVED.labels("found").inc()
        await doubts.adopt(tx.conn, render, task_id)
        started = RenderStarted(job_id=render.job_id, item=render.item, attempt=render.attempt, vendor_task_id=task_id)
        outbox.add(tx, started, tenant=render.tenant_id, cause=render)
        tx.after_commit(self.begun)
        tx.after_commit(self.freed)

    async def _look(self, claim: Claim, task_id: str) -> None:
        render = claim.render
        look = await self.vendor.look(self.line.key(render.key), render.feature, task_id)
        async with self.line.begin() as tx:
            await self.line.settle(tx, [Called(claim.call_id, render.key, look)])
            if isinstance(look, Running | Succeeded | Failed):
                await doubts.note_stray(tx.conn, task_id, render, Verdict.OURS)
            elif isinstance(look, Refused) and errors.request_failure(look.status, look.code) is errors.TASK_LOST:
                await doubts.note_stray(tx.conn, task_id, render, Verdict.FOREIGN)
            known = isinstance(look, Running | Succeeded | Failed | Refused)
            await self._again(tx, render, 0 if known else LOOK_FIRST_S)

    async def _read_history(self, claim: Claim) -> None:
        """Back to when the order was made, a call a page, as far as the quota allows."""
        render, call_id, page, found, is_whole = claim.render, claim.call_id, None, 0, False
        for _ in range(MAX_PAGES):
            history = await self.vendor.history(self.line.key(render.key), page)
            async with self.line.begin() as tx:
                await self.line.settle(tx, [Called(call_id, render.key, history)])
                if not isinstance(history, History):
                    break
                found += await doubts.note_charges(tx.conn, render, history.charges)
                page = history.more if goes_on(history.charges, render.asked_at) else None
                is_whole = page is None
                if is_whole or not await self.line.may_ask_about(tx, render.key):
                    break
                (call_id,) = await self.line.charge(tx, "history", [(render.key, render.render_id)])
        async with self.line.begin() as tx:
            if is_whole:
                await doubts.searched(tx.conn, render)
            await self._again(tx, render, 0 if found else self._search_again_in_s(render))

    def _search_again_in_s(self, render: Render) -> float:
        """Ever more seldom, but once more as soon as the wait is over."""
        waited_s = (datetime.now(UTC) - (render.asked_at or datetime.now(UTC))).total_seconds()
        left_s = self.patience.wait_s - waited_s
        return min(look_again_in_s(render.doubts), left_s + 0.1) if left_s > 0 else 0.0

    async def _again(self, tx: Tx, render: Render, in_s: float) -> None:
        if await renders.hold(tx.conn, [render]):
            await doubts.look_again(tx.conn, render, in_s)
