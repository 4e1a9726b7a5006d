"""Asking about accounts: how many units a key has left, and whether one that was out is taken again."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from closet_messaging.unit import Tx

from perfect_adapter.domain.keys import NO_UNITS, UNITS_NEEDED, KeyState, probe_in_s
from perfect_adapter.ports import Balance, NotDone, Vendor
from perfect_adapter.store import keys as store
from perfect_adapter.worker.keyring import measure
from perfect_adapter.worker.line import Called, Line

log = structlog.get_logger(__name__)

EVERY_S = 2.0


@dataclass(eq=False)
class Prober:
    """A step of `work_loop`: refreshes the keys, asks about one account that is due. `freed`: a key is back."""

    line: Line
    vendor: Vendor
    balance_every_s: float
    freed: Callable[[], None]

    async def step(self) -> bool:
        """Ask about one; was there one?"""
        await self.line.ring.refresh(self.line.begin)
        await measure(self.line.begin, self.line.ring)
        claimed = await self._claim()
        if claimed is None:
            return False
        key, call_id = claimed
        answer = await self.vendor.balance(self.line.key(key))
        async with self.line.begin() as tx:
            await self.line.settle(tx, [Called(call_id, key, answer)])
            await self._note(tx, key, answer)
        return True

    async def _claim(self) -> tuple[str, int] | None:
        async with self.line.begin() as tx:
            key = await store.due(tx.conn, list(self.line.ring.keys))
            if key is None or not await self.line.may_ask_about(tx, key):
                return None
            await store.probe_later(tx.conn, key, self.balance_every_s)
            (call_id,) = await self.line.charge(tx, "credit", [(key, None)])
            return key, call_id

    async def _note(self, tx: Tx, key: str, answer: Balance | NotDone) -> None:
        row = next(row for row in await store.listed(tx.conn) if row["key"] == key)
        is_out = row["state"] == KeyState.OUT
        if isinstance(answer, Balance):
            await store.note_units(tx.conn, key, answer.units)
            if is_out and (row["reason"] != NO_UNITS or answer.units >= UNITS_NEEDED):
                log.warning("vendor_key_back", key=key, units=answer.units)
                await store.put_back(tx.conn, key)
                tx.after_commit(self.freed)
                return
        if is_out:
            await store.probe_later(tx.conn, key, probe_in_s(row["probes"]))
