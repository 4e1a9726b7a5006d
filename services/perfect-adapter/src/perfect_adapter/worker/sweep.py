"""The sweep: what was left behind by a replica that died, by deadlines that passed, or by time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

import structlog
from closet_messaging.transaction import Begin
from prometheus_client import Gauge

from perfect_adapter.domain import errors
from perfect_adapter.store import doubts, keys, ledger, leftovers, renders, room, webhooks
from perfect_adapter.store.render import Render
from perfect_adapter.worker import ends
from perfect_adapter.worker.ends import Fail
from perfect_adapter.worker.submit import TIME_NEEDED_S
from perfect_adapter.worker.typical import TypicalTimes

log = structlog.get_logger(__name__)

EVERY_S = 2.0
HOUSEKEEPING_EVERY_S = 300.0
LIMIT = 100
WEBHOOK_MAY_OVERTAKE_S = 600.0
_DAY_S = 86_400.0
WEBHOOKS_KEPT_S = 30 * _DAY_S
ENDED_JOBS_KEPT_S = 30 * _DAY_S
CALLS_KEPT_S = 30 * _DAY_S
FORGOTTEN_AT_ONCE = 1000

WAITING = Gauge("closet_renders", "Renders that have not ended", ["state"])


@dataclass(eq=False)
class Sweeper:
    """A step of `work_loop`. Every replica sweeps; none waits for another.

    `grace_s`: how much longer than its lease a worker may be silent; one that is late still writes its answer, and an
    order in doubt goes on with it. `doubted` is called when there is one.
    """

    begin: Begin
    quota_window_s: float
    grace_s: float
    doubted: Callable[[], None]
    clock: Callable[[], float] = monotonic
    _typical: TypicalTimes = field(default_factory=TypicalTimes, init=False)
    _kept_house_at: float = field(default=float("-inf"), init=False)

    async def step(self) -> bool:
        """End what can go on no more; was there so much that there may be more?"""
        async with self.begin() as tx:
            lost = await leftovers.abandoned(tx.conn, self.grace_s, LIMIT)
            if lost:
                await doubts.begin(tx.conn, [render.render_id for render in lost], 0)
                tx.after_commit(self.doubted)
            typical_s = await self._typical.read(tx.conn)
            late = await leftovers.overdue(tx.conn, TIME_NEEDED_S, typical_s, LIMIT)
            dearest = await keys.dearest(tx.conn) if late else 0.0
            await ends.fail(tx, [(render, Fail(_why_late(render, dearest, typical_s))) for render in late])
            await leftovers.drop_of_ended_jobs(tx.conn)
            counts = await renders.count(tx.conn)
        for render in lost:
            log.error("task_is_in_doubt", render_id=render.render_id, reason="its worker is gone")
        for state, count in counts.items():
            WAITING.labels(state).set(count)
        if self.clock() - self._kept_house_at > HOUSEKEEPING_EVERY_S and not await self._forget_some():
            self._kept_house_at = self.clock()
        return LIMIT in {len(lost), len(late)}

    async def _forget_some(self) -> bool:
        """Forget what is old, a bounded number of rows; is there more? Then the next step goes on with it."""
        async with self.begin() as tx:
            await webhooks.give_up(tx.conn, WEBHOOK_MAY_OVERTAKE_S)
            await room.call_in(tx.conn)
        calls_kept_s = max(CALLS_KEPT_S, 2 * self.quota_window_s)
        forgotten = 0
        for forget, kept_s in (
            (ledger.prune, calls_kept_s),
            (webhooks.forget, WEBHOOKS_KEPT_S),
            (leftovers.forget_ended_jobs, ENDED_JOBS_KEPT_S),
            (doubts.forget, _DAY_S),
        ):
            async with self.begin() as tx:
                forgotten = max(forgotten, await forget(tx.conn, kept_s, FORGOTTEN_AT_ONCE))
        return forgotten >= FORGOTTEN_AT_ONCE


def _why_late(render: Render, dearest: float, typical_s: Mapping[str, float]) -> errors.Failure:
    """The vendor was away, or no key was taken; or it came too late for a picture; or the quota was used up."""
    if render.code == errors.UNAVAILABLE.code or render.feature.units(render.work) > dearest:
        return errors.UNAVAILABLE
    given_s = (render.deadline - render.created_at).total_seconds()
    return errors.NOT_IN_TIME if given_s <= TIME_NEEDED_S + typical_s[render.feature.name] else errors.SATURATED
