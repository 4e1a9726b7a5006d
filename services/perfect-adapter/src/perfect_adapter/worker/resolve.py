"""Resolving doubts: a task that may exist is looked for before anything is repeated or given up."""

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

from perfect_adapter.domain import clock, errors
from perfect_adapter.domain.account import Charge
from perfect_adapter.domain.doubt import (
    AGAIN,
    LOOK_FIRST_S,
    Adopt,
    LookAt,
    NoTrace,
    NotYet,
    Policy,
    ReadHistory,
    Step,
    Undecidable,
    Verdict,
    goes_on,
    next_step,
)
from perfect_adapter.domain.holds import hold_s
from perfect_adapter.domain.keys import is_about_the_key
from perfect_adapter.domain.renders import State
from perfect_adapter.ports import Failed, History, Look, Refused, Running, Succeeded, Vendor
from perfect_adapter.store import clock as clock_store
from perfect_adapter.store import doubts, orders, renders
from perfect_adapter.store.render import Render
from perfect_adapter.worker import ends
from perfect_adapter.worker.collect import RACED_S
from perfect_adapter.worker.ends import Fail
from perfect_adapter.worker.line import Called, Line

log = structlog.get_logger(__name__)

_AFTER_S = 0.1
MAX_PAGES = 20
_TRIED_AT_LEAST = 8
"""So often it is looked for also where we were away for longer than a task can take."""
MAX_REPEATS = 3
"""Of one order: whatever it is that loses its answers may be the order itself."""

AHEAD = Gauge("closet_vendor_clock_ahead_seconds", "How far the vendor's clock is ahead, as last used")
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
    """The lane of doubts. `begun`: a lost task was found; `freed`: a key may take orders again."""

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
            step = self._step_in_time(render, await self._next_step(tx, render))
            if not isinstance(step, LookAt | ReadHistory):
                await self._decide(tx, render, step)
                return Claimed((), 0.0)
        return await self._take(render, step)

    async def _take(self, render: Render, step: LookAt | ReadHistory) -> Claimed[Claim]:
        """In a transaction of its own: parties are locked before renders, see `store.locks`."""
        async with self.line.begin() as tx:
            admitted, wait_s = await self.line.admit(tx, [render.key])
            if not all(admitted):
                return Claimed((), wait_s)
            taken = await renders.take(tx.conn, [render.render_id], State.DOUBTFUL, self.line.lease_s)
            operation = "look" if isinstance(step, LookAt) else "history"
            call_ids = await self.line.charge(tx, operation, [(one.key, one.render_id) for one in taken])
        claims = [Claim(one, step, call_id) for one, call_id in zip(taken, call_ids, strict=True)]
        return Claimed(claims, 0.0 if claims else RACED_S)

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

    async def _next_step(self, tx: Tx, render: Render) -> Step:
        strays = await doubts.strays(tx.conn, render)
        return next_step(strays, await doubts.rivals(tx.conn, render, strays, self.patience.longest_s))

    def _step_in_time(self, render: Render, step: Step) -> Step:
        """There is an end to looking: when the account was searched after the wait was over, or cannot be for long."""
        if render.feature.classic:
            return Undecidable()  # there is nothing that it could be found by
        if isinstance(step, ReadHistory) and self._is_searched(render):
            return NoTrace()
        return Undecidable() if isinstance(step, LookAt | ReadHistory) and self._is_hopeless(render) else step

    def _is_searched(self, render: Render) -> bool:
        if render.asked_at is None or render.searched_at is None:
            return False
        return (render.searched_at - render.asked_at).total_seconds() > self.patience.wait_s

    def _is_hopeless(self, render: Render) -> bool:
        """Whether its account could not be searched for long: time alone would count what nobody was there to try."""
        since = render.searched_at or render.asked_at
        if render.in_vain < _TRIED_AT_LEAST or render.tried_at is None or since is None:
            return False
        return (render.tried_at - since).total_seconds() > self.patience.longest_s

    def _is_late(self, render: Render) -> bool:
        return render.feature.classic or _age_s(render) > self.patience.wait_s

    async def _decide(self, tx: Tx, render: Render, step: Adopt | NotYet | Undecidable | NoTrace) -> None:
        if isinstance(step, Adopt):
            await self._adopt(tx, render, step.task_id)
        elif isinstance(step, NotYet):
            await doubts.look_again(tx.conn, render, LOOK_FIRST_S)
        elif isinstance(step, Undecidable) and not self._is_late(render):
            await doubts.look_again(tx.conn, render, AGAIN.draw_s(render.doubts + 1))
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
        outbox.add(tx, ends.started(render, task_id), tenant=render.tenant_id, cause=render)
        tx.after_commit(self.begun)
        tx.after_commit(self.freed)

    async def _look(self, claim: Claim, task_id: str) -> None:
        render = claim.render
        look = await self.vendor.look(self.line.key(render.key), render.feature, task_id)
        async with self.line.begin() as tx:
            await self.line.settle(tx, [Called(claim.call_id, render.key, look)])
            verdict = _verdict(look)
            if verdict is not Verdict.UNKNOWN:
                await doubts.note_stray(tx.conn, task_id, render, verdict)
            if not await renders.hold(tx.conn, [render]):
                return
            if verdict is Verdict.UNKNOWN:
                await doubts.tried(tx.conn, render, is_searched=False)
            await doubts.look_again(
                tx.conn, render, AGAIN.draw_s(render.doubts + 1) if verdict is Verdict.UNKNOWN else 0
            )

    async def _read_history(self, claim: Claim) -> None:
        """Back to when the order was made, a call a page, as far as the quota allows."""
        render, call_id, page, is_whole = claim.render, claim.call_id, None, False
        for _ in range(MAX_PAGES):
            history = await self.vendor.history(self.line.key(render.key), page)
            async with self.line.begin() as tx:
                await self.line.settle(tx, [Called(call_id, render.key, history)])
                if not isinstance(history, History):
                    break
                charges = await self._by_our_clock(tx, history.charges)
                await doubts.note_charges(tx.conn, render, charges)
                page = history.more if goes_on(charges, render.asked_at) else None
            is_whole = page is None
            next_call = None if is_whole else await self._charge_next_page(render)
            if next_call is None:
                break
            call_id = next_call
        async with self.line.begin() as tx:
            if await renders.hold(tx.conn, [render]):
                await self._conclude(tx, render, is_whole=is_whole)

    async def _conclude(self, tx: Tx, render: Render, *, is_whole: bool) -> None:
        """Decide with the search, where it decides: until then, none is ordered that it could be taken for."""
        is_open = not isinstance(await self._next_step(tx, render), ReadHistory)
        await doubts.tried(tx.conn, render, is_searched=is_whole and not is_open)
        if is_open:
            await doubts.look_again(tx.conn, render, 0)
        elif is_whole and self._is_late(render):
            await self._decide(tx, render, NoTrace())
        else:
            typical_s = await orders.typical_s(tx.conn)
            in_s = self._search_again_in_s(render, typical_s.get(render.feature.name))
            await doubts.look_again(tx.conn, render, in_s)

    async def _charge_next_page(self, render: Render) -> int | None:
        """The charged call, if the quota has room for it."""
        async with self.line.begin() as tx:
            if not await self.line.may_ask_about(tx, render.key):
                return None
            (call_id,) = await self.line.charge(tx, "history", [(render.key, render.render_id)])
            return call_id

    async def _by_our_clock(self, tx: Tx, charges: Sequence[Charge]) -> Sequence[Charge]:
        known = await doubts.times_of(tx.conn, [one.task_id for one in charges])
        ahead_s = clock.within(clock.ahead_s(await clock_store.samples(tx.conn)), charges, known)
        AHEAD.set(ahead_s)
        return clock.by_our_clock(charges, ahead_s)

    def _search_again_in_s(self, render: Render, typical_s: float | None) -> float:
        """Ever more seldom, but once more as soon as others need wait no more, and when the wait is over."""
        age_s = _age_s(render)
        moments = [moment - age_s for moment in (hold_s(typical_s), self.patience.wait_s) if moment > age_s]
        return min([AGAIN.draw_s(render.doubts + 1), *(left_s + _AFTER_S for left_s in moments)])


def _verdict(look: Look) -> Verdict:
    """What a look with the order's key on its path says about whose the task is; a definite refusal says it, too."""
    if isinstance(look, Running | Succeeded | Failed):
        return Verdict.OURS
    if isinstance(look, Refused) and not is_about_the_key(look.status, look.code):
        return Verdict.FOREIGN
    return Verdict.UNKNOWN


def _age_s(render: Render) -> float:
    """Seconds since it was ordered."""
    return _since_s(render.asked_at)


def _since_s(moment: datetime | None) -> float:
    now = datetime.now(UTC)
    return (now - (moment or now)).total_seconds()
