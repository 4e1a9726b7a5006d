"""Resolution of ambiguous orders: search for the task before the order is repeated or given up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from closet_chassis.leased_work import Claimed
from closet_chassis.telemetry import span_from
from closet_chassis.worker import Wake
from closet_messaging import outbox
from closet_messaging.transaction import Tx
from prometheus_client import Counter, Gauge

from perfect_adapter.ambiguous import store
from perfect_adapter.ambiguous.decision import (
    SEARCH_PAUSES,
    AmbiguityAction,
    AwaitCompetitor,
    CheckTask,
    ClaimTask,
    Decision,
    Ownership,
    ReadHistory,
    TaskNotFound,
    Undecidable,
    decide,
    has_older_charges,
)
from perfect_adapter.queue import open_orders
from perfect_adapter.queue.assignment import hold_s
from perfect_adapter.quota import call_log
from perfect_adapter.quota.gate import CompletedCall, QuotaGate
from perfect_adapter.renders import completion
from perfect_adapter.renders import store as render_store
from perfect_adapter.renders.collect import RACED_S
from perfect_adapter.renders.completion import Failure
from perfect_adapter.renders.render import Render
from perfect_adapter.renders.states import FIRST_SEARCH_S, RenderState
from perfect_adapter.vendor import clock, errors
from perfect_adapter.vendor.answers import Failed, HistoryPage, PollAnswer, Refused, Running, Succeeded, UnitCharge
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.keys import is_about_the_key

log = structlog.get_logger(__name__)

_MARGIN_S = 0.1
MAX_PAGES = 20
_SEARCHES_AT_LEAST = 8
"""Failed searches before an order is given up, even if this service was down for longer than a task can take."""
MAX_REPEATS = 3
"""Of one order: the order itself may be what loses its answers."""

AHEAD = Gauge("closet_vendor_clock_ahead_seconds", "Seconds that the vendor's clock is ahead, as last used")
RESOLVED = Counter("closet_vendor_ambiguous_orders_total", "Ambiguous orders, by how they were resolved", ["outcome"])


@dataclass(frozen=True, slots=True, kw_only=True)
class AmbiguityPolicy:
    """`wait_s`: how long an order's task is searched for; then `action`, with at most so many `repeats` a day.

    `longest_s`: how long after its order a task may still turn up; until then none is matched to another order.
    """

    wait_s: float
    action: AmbiguityAction
    repeats: int
    longest_s: float


@dataclass(frozen=True, slots=True)
class ClaimedSearch:
    """An ambiguous order, the next step of its search, and the call charged for it."""

    render: Render
    step: CheckTask | ReadHistory
    call_id: int


@dataclass(eq=False, kw_only=True)
class AmbiguityResolver:
    """The leased worker of ambiguous orders.

    `on_task_started` is called when a lost task was found, `on_key_available` when a key may take orders again.
    """

    gate: QuotaGate
    vendor: VendorClient
    policy: AmbiguityPolicy
    on_task_started: Callable[[], None]
    on_key_available: Callable[[], None]
    wake: Wake = field(default_factory=Wake)

    async def claim(self, _limit: int) -> Claimed[ClaimedSearch]:
        """Claim the order that is due; what needs no call is decided at once."""
        async with self.gate.begin() as tx:
            render = await store.lock_next_due(tx.conn, list(self.gate.ring.keys))
            if render is None:
                return Claimed((), await render_store.next_due_in_s(tx.conn, RenderState.AMBIGUOUS))
            step = self._limit_in_time(render, await self._decision(tx, render))
            if not isinstance(step, CheckTask | ReadHistory):
                await self._apply(tx, render, step)
                return Claimed((), 0.0)
        return await self._take(render, step)

    async def _take(self, render: Render, step: CheckTask | ReadHistory) -> Claimed[ClaimedSearch]:
        """Claim it in a transaction of its own: quota subjects are locked before renders, see `lock_order`."""
        async with self.gate.begin() as tx:
            admitted, wait_s = await self.gate.admit(tx, [render.key])
            if not all(admitted):
                return Claimed((), wait_s)
            taken = await render_store.take(tx.conn, [render.render_id], RenderState.AMBIGUOUS, self.gate.lease_s)
            operation = "poll" if isinstance(step, CheckTask) else "history"
            call_ids = await self.gate.charge(tx, operation, [(one.key, one.render_id) for one in taken])
        claims = [ClaimedSearch(one, step, call_id) for one, call_id in zip(taken, call_ids, strict=True)]
        return Claimed(claims, 0.0 if claims else RACED_S)

    async def renew(self, claims: Sequence[ClaimedSearch]) -> None:
        """Renew the leases of claimed orders."""
        async with self.gate.begin() as tx:
            await render_store.renew(tx.conn, [claim.render for claim in claims], self.gate.lease_s)

    async def work(self, claim: ClaimedSearch) -> None:
        """Make the one call, and store what it shows."""
        with span_from(
            claim.render.traceparent, "resolve ambiguous order", attributes={"closet.render_id": claim.render.render_id}
        ):
            match claim.step:
                case CheckTask(task_id=task_id):
                    await self._check_task(claim, task_id)
                case ReadHistory():
                    await self._read_history(claim)
        self.wake.set()

    async def _decision(self, tx: Tx, render: Render) -> Decision:
        unmatched = await store.unmatched_tasks(tx.conn, render)
        return decide(unmatched, await store.competing_orders(tx.conn, render, unmatched, self.policy.longest_s))

    def _limit_in_time(self, render: Render, step: Decision) -> Decision:
        """End the search when the account was searched after the wait was over, or could not be for long."""
        if render.feature.is_classic:
            return Undecidable()  # the classic profile has no history and no tasks
        if isinstance(step, ReadHistory) and self._is_searched(render):
            return TaskNotFound()
        return Undecidable() if isinstance(step, CheckTask | ReadHistory) and self._is_hopeless(render) else step

    def _is_searched(self, render: Render) -> bool:
        if render.ordered_at is None or render.searched_at is None:
            return False
        return (render.searched_at - render.ordered_at).total_seconds() > self.policy.wait_s

    def _is_hopeless(self, render: Render) -> bool:
        """Return whether its account could not be searched for long, not counting when this service was down."""
        since = render.searched_at or render.ordered_at
        if render.failed_searches < _SEARCHES_AT_LEAST or render.tried_at is None or since is None:
            return False
        return (render.tried_at - since).total_seconds() > self.policy.longest_s

    def _is_late(self, render: Render) -> bool:
        return render.feature.is_classic or _age_s(render) > self.policy.wait_s

    async def _apply(
        self, tx: Tx, render: Render, step: ClaimTask | AwaitCompetitor | Undecidable | TaskNotFound
    ) -> None:
        if isinstance(step, ClaimTask):
            await self._claim_task(tx, render, step.task_id)
        elif isinstance(step, AwaitCompetitor):
            await store.schedule_search(tx.conn, render, FIRST_SEARCH_S)
        elif isinstance(step, Undecidable) and not self._is_late(render):
            await store.schedule_search(tx.conn, render, SEARCH_PAUSES.draw_s(render.searches + 1))
        elif isinstance(step, TaskNotFound) and await self._may_repeat(tx, render):
            log.error("order_repeated", render_id=render.render_id)
            RESOLVED.labels("repeated").inc()
            await store.repeat(tx.conn, render)
            tx.after_commit(self.on_key_available)
        else:
            log.error("order_given_up", render_id=render.render_id, reason=type(step).__name__)
            RESOLVED.labels("given_up").inc()
            await completion.fail(tx, [(render, Failure(errors.AMBIGUOUS))])
            tx.after_commit(self.on_key_available)

    async def _may_repeat(self, tx: Tx, render: Render) -> bool:
        if self.policy.action is not AmbiguityAction.REPEAT or render.repeats >= MAX_REPEATS:
            return False
        return await store.count_repeats_today(tx.conn) < self.policy.repeats

    async def _claim_task(self, tx: Tx, render: Render, task_id: str) -> None:
        log.warning("lost_task_found", render_id=render.render_id, task_id=task_id)
        RESOLVED.labels("found").inc()
        await store.claim_task(tx.conn, render, task_id)
        outbox.add(tx, completion.started_event(render, task_id), tenant=render.tenant_id, cause=render.cause)
        tx.after_commit(self.on_task_started)
        tx.after_commit(self.on_key_available)

    async def _check_task(self, claim: ClaimedSearch, task_id: str) -> None:
        render = claim.render
        answer = await self.vendor.get_task(self.gate.key(render.key), render.feature, task_id)
        async with self.gate.begin() as tx:
            await self.gate.settle(tx, [CompletedCall(claim.call_id, render.key, answer)])
            ownership = _ownership(answer)
            if ownership is not Ownership.UNKNOWN:
                await store.add_task(tx.conn, task_id, render, ownership)
            if not await render_store.lock_held(tx.conn, [render]):
                return
            if ownership is Ownership.UNKNOWN:
                await store.record_search(tx.conn, render, is_searched=False)
            await store.schedule_search(
                tx.conn, render, SEARCH_PAUSES.draw_s(render.searches + 1) if ownership is Ownership.UNKNOWN else 0
            )

    async def _read_history(self, claim: ClaimedSearch) -> None:
        """Read the history back to the order, a call a page, as far as the quota allows."""
        render, call_id, page, is_whole = claim.render, claim.call_id, None, False
        for _ in range(MAX_PAGES):
            history = await self.vendor.history(self.gate.key(render.key), page)
            async with self.gate.begin() as tx:
                await self.gate.settle(tx, [CompletedCall(call_id, render.key, history)])
                if not isinstance(history, HistoryPage):
                    break
                charges = await self._to_our_clock(tx, history.charges)
                await store.add_charges(tx.conn, render, charges)
                page = history.more if has_older_charges(charges, render.ordered_at) else None
            is_whole = page is None
            next_call = None if is_whole else await self._charge_next_page(render)
            if next_call is None:
                break
            call_id = next_call
        async with self.gate.begin() as tx:
            if await render_store.lock_held(tx.conn, [render]):
                await self._conclude(tx, render, is_whole=is_whole)

    async def _conclude(self, tx: Tx, render: Render, *, is_whole: bool) -> None:
        """Record the search and decide in one transaction: others that wait for it go on only then."""
        is_open = not isinstance(await self._decision(tx, render), ReadHistory)
        await store.record_search(tx.conn, render, is_searched=is_whole and not is_open)
        if is_open:
            await store.schedule_search(tx.conn, render, 0)
        elif is_whole and self._is_late(render):
            await self._apply(tx, render, TaskNotFound())
        else:
            typical_s = await open_orders.read_typical_s(tx.conn)
            in_s = self._search_again_in_s(render, typical_s.get(render.feature.name))
            await store.schedule_search(tx.conn, render, in_s)

    async def _charge_next_page(self, render: Render) -> int | None:
        """Return the charged call, if the quota allows one."""
        async with self.gate.begin() as tx:
            if not await self.gate.admit_account_call(tx, render.key):
                return None
            (call_id,) = await self.gate.charge(tx, "history", [(render.key, render.render_id)])
            return call_id

    async def _to_our_clock(self, tx: Tx, charges: Sequence[UnitCharge]) -> Sequence[UnitCharge]:
        known = await store.read_times(tx.conn, [one.task_id for one in charges])
        ahead_s = clock.bound_by_charges(clock.ahead_s(await call_log.read_clock_samples(tx.conn)), charges, known)
        AHEAD.set(ahead_s)
        return clock.to_our_clock(charges, ahead_s)

    def _search_again_in_s(self, render: Render, typical_s: float | None) -> float:
        """Return a growing pause that ends early when others need not wait any more, and when the wait is over."""
        age_s = _age_s(render)
        moments = [moment - age_s for moment in (hold_s(typical_s), self.policy.wait_s) if moment > age_s]
        return min([SEARCH_PAUSES.draw_s(render.searches + 1), *(left_s + _MARGIN_S for left_s in moments)])


def _ownership(answer: PollAnswer) -> Ownership:
    """Return whose the task is by a poll with the order's key on its path; a definite refusal tells, too."""
    if isinstance(answer, Running | Succeeded | Failed):
        return Ownership.OURS
    if isinstance(answer, Refused) and not is_about_the_key(answer.status, answer.code):
        return Ownership.FOREIGN
    return Ownership.UNKNOWN


def _age_s(render: Render) -> float:
    """Return the seconds since it was ordered."""
    return _since_s(render.ordered_at)


def _since_s(moment: datetime | None) -> float:
    now = datetime.now(UTC)
    return (now - (moment or now)).total_seconds()
