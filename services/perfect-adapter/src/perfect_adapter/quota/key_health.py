"""Checking accounts: how many units a key has left, and whether one that was out is accepted again."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from closet_messaging.transaction import Tx

from perfect_adapter.quota import api_keys
from perfect_adapter.quota.api_keys import KeyState, check_in_s, update_metrics
from perfect_adapter.quota.gate import CompletedCall, QuotaGate
from perfect_adapter.vendor.answers import Balance, NotDone
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.keys import CHEAPEST, NO_UNITS

log = structlog.get_logger(__name__)

EVERY_S = 2.0
_LEASE_S = 60.0
"""After this an account whose check was lost with its process is due again."""


@dataclass(eq=False)
class KeyHealthCheck:
    """A step of `work_loop`: refreshes the keys and checks one account that is due.

    `on_key_available` is called when a key is back.
    """

    gate: QuotaGate
    vendor: VendorClient
    balance_every_s: float
    on_key_available: Callable[[], None]

    async def step(self) -> bool:
        """Check one account that is due, and return whether there was one."""
        await self.gate.ring.refresh(self.gate.begin)
        await update_metrics(self.gate.begin, self.gate.ring)
        claimed = await self._claim()
        if claimed is None:
            return False
        key, call_id = claimed
        answer = await self.vendor.balance(self.gate.key(key))
        async with self.gate.begin() as tx:
            await self.gate.settle(tx, [CompletedCall(call_id, key, answer)])
        async with self.gate.begin() as tx:  # on its own: subjects are locked before calls, see `lock_order`
            await self._note(tx, key, answer)
        return True

    async def _claim(self) -> tuple[str, int] | None:
        async with self.gate.begin() as tx:
            key = await api_keys.find_due_for_check(tx.conn, list(self.gate.ring.keys))
            if key is None or not await self.gate.admit_account_call(tx, key):
                return None
            if not await api_keys.claim_check(tx.conn, key, _LEASE_S):
                return None
            (call_id,) = await self.gate.charge(tx, "credit", [(key, None)])
            return key, call_id

    async def _note(self, tx: Tx, key: str, answer: Balance | NotDone) -> None:
        row = next(row for row in await api_keys.list_keys(tx.conn) if row["key"] == key)
        is_out = row["state"] == KeyState.OUT
        await api_keys.schedule_check(tx.conn, key, check_in_s(row["probes"]) if is_out else self.balance_every_s)
        if isinstance(answer, Balance):
            await api_keys.note_units(tx.conn, key, answer.units)
            is_enough = answer.units >= CHEAPEST
            if not is_out and not is_enough and await api_keys.take_out(tx.conn, key, NO_UNITS, check_in_s(0)):
                log.error("vendor_key_disabled", key=key, reason=NO_UNITS)
            if is_out and (row["reason"] != NO_UNITS or is_enough):
                log.warning("vendor_key_enabled", key=key, units=answer.units)
                await api_keys.put_back(tx.conn, key)
                await api_keys.schedule_check(tx.conn, key, self.balance_every_s)
                tx.after_commit(self.on_key_available)
