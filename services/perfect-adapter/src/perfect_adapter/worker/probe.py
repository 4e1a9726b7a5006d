"""Asking about accounts: how many units a key has left, and whether one that was out is taken again."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from closet_messaging.transaction import Tx

from perfect_adapter.domain.keys import CHEAPEST, NO_UNITS, KeyState, probe_in_s
from perfect_adapter.ports import Balance, NotDone, Vendor
from perfect_adapter.store import keys as store
from perfect_adapter.worker.keyring import measure
from perfect_adapter.worker.line import Called, Line

log = structlog.get_logger(__name__)

EVERY_S = 2.0
_LEASE_S = 60.0
"""After this an account whose question was lost with its process is due again."""


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
        async with self.line.begin() as tx:  # on its own: parties are locked before calls, see `store.locks`
            await self._note(tx, key, answer)
        return True

    async def _claim(self) -> tuple[str, int] | None:
        async with self.line.begin() as tx:
            key = await store.due(tx.conn, list(self.line.ring.keys))
            if key is None or not await self.line.may_ask_about(tx, key):
                return None
            if not await store.claim_probe(tx.conn, key, _LEASE_S):
                return None
            (call_id,) = await self.line.charge(tx, "credit", [(key, None)])
            return key, call_id

    async def _note(self, tx: Tx, key: str, answer: Balance | NotDone) -> None:
        row = next(row for row in await store.listed(tx.conn) if row["key"] == key)
        is_out = row["state"] == KeyState.OUT
        await store.probe_later(tx.conn, key, probe_in_s(row["probes"]) if is_out else self.balance_every_s)
        if isinstance(answer, Balance):
            await store.note_units(tx.conn, key, answer.units)
            suffices = answer.units >= CHEAPEST
            if not is_out and not suffices and await store.take_out(tx.conn, key, NO_UNITS, probe_in_s(0)):
                log.error("vendor_key_out", key=key, reason=NO_UNITS)
            if is_out and (row["reason"] != NO_UNITS or suffices):
                log.warning("vendor_key_back", key=key, units=answer.units)
                await store.put_back(tx.conn, key)
                await store.probe_later(tx.conn, key, self.balance_every_s)
                tx.after_commit(self.freed)
