"""Choosing what is submitted next: the fair queue, within the quota, around circuits and open orders."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from closet_messaging.transaction import Tx

from perfect_adapter.queue import circuits, store
from perfect_adapter.queue.assignment import TIME_NEEDED_S, Assignment, OrderingPolicy
from perfect_adapter.queue.fair_queue import MOST_URGENT
from perfect_adapter.queue.open_orders import TypicalDurations, read_holds
from perfect_adapter.queue.store import BlockedFeatures, QueueQuery, SchedulerState
from perfect_adapter.quota.budget import Allocation, TaskDemand
from perfect_adapter.quota.gate import QuotaGate


@dataclass(frozen=True, slots=True)
class Schedule:
    """What may be submitted now.

    Args:
        keys: render -> the key to order it with, in order.
        allowed: how many the quota allows.
        quota_wait_s: when it allows more, if it does not allow all.
        retry_s: when to choose again, if nothing was claimed.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    allowed: int = 0
    quota_wait_s: float | None = None
    retry_s: float | None = None

    def next_in_s(self, claimed: int) -> float | None:
        """Return the seconds until the next choice, after so many were claimed; None if only an event changes it."""
        if 0 < claimed < self.allowed:
            return 0.0  # what was just ordered may stand before what else there is
        return self.quota_wait_s if claimed else self.retry_s


@dataclass(eq=False)
class Scheduler:
    """Chooses renders and their keys; the queue stays locked until the transaction's end."""

    gate: QuotaGate
    policy: OrderingPolicy
    _durations: TypicalDurations = field(default_factory=TypicalDurations, init=False)

    async def choose(self, tx: Tx, limit: int) -> Schedule:
        """Choose up to `limit` renders."""
        if not await store.has_work(tx.conn):
            return Schedule()
        state = await store.lock(tx.conn)
        allocation = await self.gate.allocate(tx, TaskDemand(limit, self.policy.calls_per_task))
        if not allocation.count:
            return Schedule(retry_s=allocation.wait_s)
        assignment = await self._assignment(tx, allocation)
        retry_s = await self._assign(tx, state, allocation.count, assignment)
        return Schedule(assignment.keys, allocation.count, allocation.wait_s, retry_s)

    async def _assignment(self, tx: Tx, allocation: Allocation) -> Assignment:
        holding, _ = await read_holds(tx.conn, self.policy)
        return Assignment(dict(allocation.by_key), holding, self.policy.at_once, allocation.max_units_by_key)

    async def _assign(self, tx: Tx, state: SchedulerState, count: int, assignment: Assignment) -> float | None:
        """Assign keys to the next renders; return the seconds until to read the rest of the queues, if any."""
        open_circuits = await circuits.read_blocked(tx.conn)
        blocked = BlockedFeatures(
            [*open_circuits.blocked, *assignment.full(MOST_URGENT)],
            open_circuits.half_open,
            assignment.full(MOST_URGENT + 1),
        )
        policy = self.policy.queue
        query = QueueQuery(
            count=count,
            time_needed_s=TIME_NEEDED_S,
            blocked=blocked,
            is_capped=bool(policy.cap),
            typical_s=await self._durations.read(tx.conn),
            max_units=assignment.max_units(),
            aged_s=policy.aged_s,
        )
        queue, idle = await store.load(tx.conn, state, query)
        chosen = queue.choose(count, policy, assignment)
        await circuits.note_probes(tx.conn, open_circuits.half_open, [one.feature for one in chosen])
        retry_s = await store.save(tx.conn, queue, {one.tenant for one in chosen}, idle)
        return 0.0 if state.has_more else retry_s
