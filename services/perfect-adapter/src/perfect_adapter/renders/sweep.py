"""The sweep: renders left behind by dead workers and passed deadlines, and rows that have expired."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

import structlog
from closet_messaging.transaction import Begin, Connection
from prometheus_client import Gauge

from perfect_adapter.queue import capacity_store
from perfect_adapter.queue import store as queue_store
from perfect_adapter.queue.assignment import TIME_NEEDED_S
from perfect_adapter.queue.open_orders import TypicalDurations
from perfect_adapter.quota import api_keys, call_log
from perfect_adapter.renders import completion, recovery, webhooks
from perfect_adapter.renders.completion import Failure
from perfect_adapter.renders.render import Render
from perfect_adapter.vendor import errors

log = structlog.get_logger(__name__)

EVERY_S = 2.0
PURGE_EVERY_S = 300.0
LIMIT = 100
WEBHOOK_MAY_OVERTAKE_S = 600.0
DAY_S = 86_400.0
WEBHOOKS_KEPT_S = 30 * DAY_S
ENDED_JOBS_KEPT_S = 30 * DAY_S
CALLS_KEPT_S = 30 * DAY_S
PURGE_LIMIT = 1000

OPEN = Gauge("closet_renders", "Renders that have not ended", ["state"])


@dataclass(frozen=True, slots=True)
class Purge:
    """Deletes up to so many rows that are older than `kept_s`, and returns how many."""

    delete: Callable[[Connection, float, int], Awaitable[int]]
    kept_s: float


@dataclass(eq=False, kw_only=True)
class Sweeper:
    """A step of `work_loop`. Every replica sweeps; none waits for another.

    `grace_s`: how much longer than its lease a worker may be silent; one that is late still writes its answer, and an
    ambiguous order resumes with it. `on_ambiguous` is called when there is one. `purges`: of other subjects' rows.
    """

    begin: Begin
    quota_window_s: float
    grace_s: float
    on_ambiguous: Callable[[], None]
    purges: Sequence[Purge] = ()
    clock: Callable[[], float] = monotonic
    _typical: TypicalDurations = field(default_factory=TypicalDurations, init=False)
    _purged_at: float = field(default=float("-inf"), init=False)

    async def step(self) -> bool:
        """End what cannot continue, and return whether there may be more of it."""
        async with self.begin() as tx:
            lost = await recovery.find_abandoned(tx.conn, self.grace_s, LIMIT)
            if lost:
                await recovery.mark_ambiguous(tx.conn, [render.render_id for render in lost], 0)
                tx.after_commit(self.on_ambiguous)
            typical_s = await self._typical.read(tx.conn)
            late = await recovery.find_overdue(tx.conn, TIME_NEEDED_S, typical_s, LIMIT)
            max_units = await api_keys.max_units_of_any(tx.conn) if late else 0.0
            await completion.fail(tx, [(render, Failure(_why_late(render, max_units, typical_s))) for render in late])
            await recovery.drop_of_ended_jobs(tx.conn)
            counts = await capacity_store.count_by_state(tx.conn)
        for render in lost:
            log.error("order_ambiguous", render_id=render.render_id, reason="worker died")
        for state, count in counts.items():
            OPEN.labels(state).set(count)
        if self.clock() - self._purged_at > PURGE_EVERY_S and not await self._purge_expired():
            self._purged_at = self.clock()
        return LIMIT in {len(lost), len(late)}

    async def _purge_expired(self) -> bool:
        """Purge a bounded number of expired rows, and return whether there are more: then the next step continues."""
        async with self.begin() as tx:
            await webhooks.settle_unmatched(tx.conn, WEBHOOK_MAY_OVERTAKE_S)
            await queue_store.add_missing_queues(tx.conn)
        own = (
            Purge(call_log.delete_old, max(CALLS_KEPT_S, 2 * self.quota_window_s)),
            Purge(webhooks.delete_old, WEBHOOKS_KEPT_S),
            Purge(recovery.delete_old_ended_jobs, ENDED_JOBS_KEPT_S),
        )
        deleted = 0
        for purge in (*own, *self.purges):
            async with self.begin() as tx:
                deleted = max(deleted, await purge.delete(tx.conn, purge.kept_s, PURGE_LIMIT))
        return deleted >= PURGE_LIMIT


def _why_late(render: Render, max_units: float, typical_s: Mapping[str, float]) -> errors.FailureReason:
    """Return why it is late: no vendor or key, dispatched too late, or the quota used up."""
    if render.code == errors.UNAVAILABLE.code or render.feature.units(render.work) > max_units:
        return errors.UNAVAILABLE
    given_s = (render.deadline - render.created_at).total_seconds()
    return errors.NOT_IN_TIME if given_s <= TIME_NEEDED_S + typical_s[render.feature.name] else errors.SATURATED
