"""Tells how much the vendor can make now, whenever that has changed enough to matter."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from closet_contracts.render import RenderCapacityChanged
from closet_messaging import outbox
from closet_messaging.transaction import Tx
from prometheus_client import Gauge

from perfect_adapter.domain.capacity import Capacity, allowed_per_minute, has_changed
from perfect_adapter.domain.keys import KeyState
from perfect_adapter.store import capacity as store
from perfect_adapter.store import circuits, keys, renders
from perfect_adapter.worker.line import Line
from perfect_adapter.worker.submit import Terms, stops_of

EVERY_S = 2.0
_PLATFORM = "closet"

DEPTH = Gauge("closet_vendor_waiting", "Tasks in the waiting room", ["priority"])


@dataclass(eq=False)
class Teller:
    """A step of `work_loop`; of all replicas one tells."""

    line: Line
    terms: Terms

    async def step(self) -> bool:
        """Tell if it is news."""
        async with self.line.begin() as tx:
            before, ours = await store.told(tx.conn)
            if not ours:
                return False
            now = await self._measure(tx)
            if has_changed(before, now):
                await store.remember(tx.conn, now)
                outbox.add(tx, _event(now), tenant=_PLATFORM)
        for priority, count in now.waiting.items():
            DEPTH.labels(priority.value).set(count)
        return False

    async def _measure(self, tx: Tx) -> Capacity:
        held = [
            row
            for row in await keys.listed(tx.conn)
            if row["key"] in self.line.ring.keys and row["state"] == KeyState.ACTIVE
        ]
        waiting, counts = await store.waiting(tx.conn), await renders.count(tx.conn)
        allowed = allowed_per_minute(self.line.budget, len(held), self.terms.calls_per_task)
        return Capacity(
            available=bool(held),
            per_minute=await self._rate(tx, allowed, sum(waiting.values())),
            waiting=waiting,
            running=counts.get("at_vendor", 0) + counts.get("doubtful", 0),
            typical_s=await renders.typical_s(tx.conn),
            stopped_until=await self._stopped_until(tx, [row["key"] for row in held]),
        )

    async def _stopped_until(self, tx: Tx, keys: Sequence[str]) -> float:
        """The vendor told us to wait, or is away, or whatever waits has to wait for orders in doubt or a circuit."""
        stop_s = await store.paused_s(tx.conn, keys, self.line.egress)
        if features := await store.waiting_features(tx.conn):
            holds = await stops_of(tx.conn, keys, self.terms)
            open_s = {circuit.feature: circuit.open_s for circuit in await circuits.read(tx.conn)}
            stop_s = max(stop_s, min(max(holds.get(each, 0.0), open_s.get(each, 0.0)) for each in features))
        return round(time.time() + stop_s) if stop_s else 0.0

    async def _rate(self, tx: Tx, allowed: float | None, waiting: int) -> float | None:
        """Measured where something waits, since it may be slower than the quota allows; else what would be allowed."""
        if allowed is None or not waiting:
            return allowed
        measured = await store.created_in_a_minute(tx.conn)
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
