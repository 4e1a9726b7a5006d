"""The sweep: what was left behind by a replica that died, by deadlines that passed, or by time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

import structlog
from closet_messaging.unit import Begin
from prometheus_client import Gauge

from perfect_adapter.domain import errors
from perfect_adapter.store import doubts, keys, ledger, leftovers, renders, webhooks
from perfect_adapter.worker import ends
from perfect_adapter.worker.ends import Fail
from perfect_adapter.worker.submit import TIME_NEEDED_S

log = structlog.get_logger(__name__)

EVERY_S = 2.0
HOUSEKEEPING_EVERY_S = 300.0
LIMIT = 100
WEBHOOK_MAY_OVERTAKE_S = 600.0
_DAY_S = 86_400.0
WEBHOOKS_KEPT_S = 30 * _DAY_S
ENDED_JOBS_KEPT_S = 30 * _DAY_S
CALLS_KEPT_S = _DAY_S

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
    _kept_house_at: float = field(default=float("-inf"), init=False)

    async def step(self) -> bool:
        """End what can go on no more; was there so much that there may be more?"""
        async with self.begin() as tx:
            lost = await leftovers.abandoned(tx.conn, self.grace_s, LIMIT)
            if lost:
                await doubts.begin(tx.conn, [render.render_id for render in lost], 0)
                tx.after_commit(self.doubted)
            late = await leftovers.overdue(tx.conn, TIME_NEEDED_S, LIMIT)
            usable = await keys.any_active(tx.conn) if late else True
            await ends.fail(tx, [(render, Fail(_why_late(render.code, usable=usable))) for render in late])
            await leftovers.drop_of_ended_jobs(tx.conn)
            counts = await renders.count(tx.conn)
        for render in lost:
            log.error("task_is_in_doubt", render_id=render.render_id, reason="its worker is gone")
        for state, count in counts.items():
            WAITING.labels(state).set(count)
        if self.clock() - self._kept_house_at > HOUSEKEEPING_EVERY_S:
            await self._keep_house()
        return LIMIT in {len(lost), len(late)}

    async def _keep_house(self) -> None:
        async with self.begin() as tx:
            await webhooks.give_up(tx.conn, WEBHOOK_MAY_OVERTAKE_S, WEBHOOKS_KEPT_S)
            await ledger.prune(tx.conn, max(CALLS_KEPT_S, 2 * self.quota_window_s))
            await leftovers.forget_ended_jobs(tx.conn, ENDED_JOBS_KEPT_S)
            await doubts.forget(tx.conn, _DAY_S)
        self._kept_house_at = self.clock()


def _why_late(code: str | None, *, usable: bool) -> errors.Failure:
    """What kept it waiting: the vendor was away, or no key was taken; or the quota was used up."""
    return errors.UNAVAILABLE if code == errors.UNAVAILABLE.code or not usable else errors.SATURATED
