"""Publishes the capacity, `render.capacity_changed`, whenever it has changed notably."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from closet_contracts.render import RenderCapacityChanged
from closet_messaging import outbox
from closet_messaging.transaction import Tx
from prometheus_client import Gauge

from perfect_adapter.queue import capacity_store, circuits
from perfect_adapter.queue.assignment import OrderingPolicy
from perfect_adapter.queue.capacity import Capacity, allowed_per_minute, has_changed
from perfect_adapter.queue.open_orders import stops_by_feature
from perfect_adapter.quota import api_keys
from perfect_adapter.quota.api_keys import KeyState
from perfect_adapter.quota.gate import QuotaGate

EVERY_S = 2.0
_PLATFORM = "closet"

DEPTH = Gauge("closet_vendor_waiting", "Renders that wait in the queue", ["priority"])


@dataclass(eq=False)
class CapacityPublisher:
    """A step of `work_loop`; one replica at a time publishes."""

    gate: QuotaGate
    policy: OrderingPolicy

    async def step(self) -> bool:
        """Publish the capacity, if it has changed notably."""
        async with self.gate.begin() as tx:
            before, is_ours = await capacity_store.lock_published(tx.conn)
            if not is_ours:
                return False
            now = await self._measure(tx)
            if has_changed(before, now):
                await capacity_store.save_published(tx.conn, now)
                outbox.add(tx, _event(now), tenant=_PLATFORM)
        for priority, count in now.waiting.items():
            DEPTH.labels(priority.value).set(count)
        return False

    async def _measure(self, tx: Tx) -> Capacity:
        held = [
            row
            for row in await api_keys.list_keys(tx.conn)
            if row["key"] in self.gate.ring.keys and row["state"] == KeyState.ACTIVE
        ]
        waiting = await capacity_store.count_waiting(tx.conn)
        counts = await capacity_store.count_by_state(tx.conn)
        allowed = allowed_per_minute(self.gate.budget, len(held), self.policy.calls_per_task)
        return Capacity(
            available=bool(held),
            per_minute=await self._rate(tx, allowed, sum(waiting.values())),
            waiting=waiting,
            running=counts.get("at_vendor", 0) + counts.get("ambiguous", 0),
            typical_s=await capacity_store.read_typical_s(tx.conn),
            stopped_until=await self._stopped_until(tx, [row["key"] for row in held]),
        )

    async def _stopped_until(self, tx: Tx, keys: Sequence[str]) -> float:
        """Return until when (epoch seconds) pauses, ambiguous orders or circuits stop all orders; 0 if they do not."""
        stop_s = await capacity_store.paused_s(tx.conn, keys, self.gate.egress)
        if features := await capacity_store.waiting_features(tx.conn):
            holds = await stops_by_feature(tx.conn, keys, self.policy)
            open_s = {circuit.feature: circuit.open_s for circuit in await circuits.read(tx.conn)}
            stop_s = max(stop_s, min(max(holds.get(each, 0.0), open_s.get(each, 0.0)) for each in features))
        return round(time.time() + stop_s) if stop_s else 0.0

    async def _rate(self, tx: Tx, allowed: float | None, waiting: int) -> float | None:
        """Return the measured rate where something waits, as it may be below the allowed one; else the latter."""
        if allowed is None or not waiting:
            return allowed
        measured = await capacity_store.count_created_last_minute(tx.conn)
        return min(allowed, float(measured)) if measured else allowed


def _event(now: Capacity) -> RenderCapacityChanged:
    return RenderCapacityChanged(
        available=now.available,
        per_minute=now.per_minute,
        waiting=dict(now.waiting),
        running=now.running,
        typical_s=now.typical_s,
        measured_at=datetime.now(UTC),
        stopped_until=datetime.fromtimestamp(now.stopped_until, UTC) if now.stopped_until else None,
    )
