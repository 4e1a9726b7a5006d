"""The line to the vendor: what every call is charged to, and what its outcome says about key and address."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.postgres import is_unavailable
from closet_messaging.unit import Begin, Tx

from perfect_adapter.domain.keys import Key, KeyState, is_about_the_key, probe_in_s
from perfect_adapter.domain.quota import Allotment, Budget, Order, Party, admit, allot
from perfect_adapter.ports import NoAnswer, Refused, Throttled, Unreachable
from perfect_adapter.store import keys as key_store
from perfect_adapter.store import ledger, renders
from perfect_adapter.store.ledger import Charge, Standing
from perfect_adapter.store.render import Render
from perfect_adapter.worker.keyring import KeyRing

log = structlog.get_logger(__name__)
T = TypeVar("T")

WRITE_AGAIN_S = 0.5

_UNREACHABLE_FIRST_S = 0.5
_UNREACHABLE_LONGEST_S = 20.0
_THROTTLED_FIRST = 1 / 60  # of the quota's window: what is over it stays over it for a while
_FAIRLY_SAME = (0.8, 1.2)


@dataclass(frozen=True, slots=True)
class NotMade:
    """The call was charged and then not made."""


@dataclass(frozen=True, slots=True)
class Called:
    """A call that was made: charged under this id, with this key, and what came of it."""

    call_id: int
    key: str
    answer: object


@dataclass(eq=False)
class Line:
    """Shared with every other replica through the database.

    Args:
        begin: opens a unit of work.
        ring: the keys that this process holds.
        egress: the name of the address that calls come from; replicas behind one address share it.
        budget: of each key, and of each address.
        lease_s: how long work in hand stays in hand when nothing more is heard of its worker.
    """

    begin: Begin
    ring: KeyRing
    egress: str
    budget: Budget
    lease_s: float = 10.0

    def key(self, name: str) -> Key:
        """The key of that name; the claim that led here has seen that it is held."""
        return self.ring.keys[name]

    async def allot(self, tx: Tx, order: Order) -> Allotment:
        """Which keys may be used for creations now."""
        egress, keys = await self._standing(tx)
        at_vendor = await key_store.at_vendor(tx.conn)
        parties = [
            _with(standing.party, at_vendor)
            for standing in keys.values()
            if standing.state is KeyState.ACTIVE and not standing.party.paused_s
        ]
        owed = sum(counts[0] for counts in at_vendor.values())
        if egress.paused_s or not parties:
            return Allotment((), egress.paused_s or _first_pause(keys))
        return allot(self.budget, replace(egress, owed=owed), parties, order)

    async def admit(self, tx: Tx, wanted: Sequence[str]) -> tuple[list[bool], float]:
        """Which of these calls, each bound to a key, may be made now, and when to ask for the rest."""
        egress, keys = await self._standing(tx)
        usable = {name: each.party for name, each in keys.items() if each.state is not KeyState.OUT}
        return admit(self.budget, egress, usable, wanted)

    async def may_ask_about(self, tx: Tx, key: str) -> bool:
        """Whether a call for the key itself may be made now, also if it is out."""
        egress, keys = await self._standing(tx)
        admitted, _ = admit(self.budget, egress, {key: keys[key].party}, [key])
        return all(admitted)

    async def charge(self, tx: Tx, operation: str, calls: Sequence[tuple[str, str | None]]) -> list[int]:
        """Write calls down, each with its key and its render; their ids."""
        return await ledger.charge(
            tx.conn, [Charge(key, self.egress, operation, render_id) for key, render_id in calls]
        )

    async def settle(self, tx: Tx, calls: Sequence[Called]) -> None:
        """Write down how calls ended, and let key and address go slower, or on, after what has just been learnt."""
        if not calls:
            return
        await ledger.settle(tx.conn, {call.call_id: outcome_of(call.answer) for call in calls})
        jitter = random.uniform(*_FAIRLY_SAME)  # noqa: S311 jitter is no secret
        if throttled := {call.key for call in calls if isinstance(call.answer, Throttled)}:
            window_s = self.budget.window_s
            await ledger.pause(tx.conn, {*throttled, self.egress}, window_s * _THROTTLED_FIRST, window_s, jitter)
        elif any(isinstance(call.answer, Unreachable) for call in calls):
            await ledger.pause(tx.conn, {self.egress}, _UNREACHABLE_FIRST_S, _UNREACHABLE_LONGEST_S, jitter)
        elif answered := {call.key for call in calls if not isinstance(call.answer, NoAnswer | Refused | NotMade)}:
            await ledger.forgive(tx.conn, {*answered, self.egress})
        for call in calls:
            if isinstance(call.answer, Refused) and is_about_the_key(call.answer.status, call.answer.code):
                await self._take_out(tx, call.key, call.answer)

    async def renew(self, claimed: Sequence[Render]) -> None:
        """Keep what is in hand."""
        async with self.begin() as tx:
            await renders.renew(tx.conn, claimed, self.lease_s)

    async def _standing(self, tx: Tx) -> tuple[Party, Mapping[str, Standing]]:
        return await ledger.standing(tx.conn, list(self.ring.keys), self.egress, self.budget)

    async def _take_out(self, tx: Tx, key: str, refused: Refused) -> None:
        reason = refused.code or f"HTTP {refused.status}"
        if await key_store.take_out(tx.conn, key, reason, probe_in_s(0)):
            log.error("vendor_key_out", key=key, reason=reason)


def outcome_of(answer: object) -> str:
    """A call's outcome in the ledger: what it was, and its code if it has one."""
    name = type(answer).__name__
    detail = getattr(answer, "code", None) or getattr(answer, "reason", None)
    return f"{name}: {detail}" if detail else name


def _with(party: Party, at_vendor: Mapping[str, tuple[int, int]]) -> Party:
    owed, busy = at_vendor.get(party.name, (0, 0))
    return replace(party, owed=owed, busy=busy)


def _first_pause(keys: Mapping[str, Standing]) -> float | None:
    pauses = [each.party.paused_s for each in keys.values() if each.state is KeyState.ACTIVE and each.party.paused_s]
    return min(pauses, default=None)


async def write_down(written: Batcher[T, None], outcome: T) -> None:
    """Have `outcome` written, however long the database is away: what the vendor said is known here and nowhere else.

    A lease that was lost meanwhile is the writer's business; so is an outcome that had been written after all.
    """
    while True:
        try:
            return await written.submit(outcome)
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("outcome_not_written", error=type(error).__name__)
            await asyncio.sleep(WRITE_AGAIN_S)
