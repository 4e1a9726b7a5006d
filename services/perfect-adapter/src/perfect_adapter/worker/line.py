"""The line to the vendor: what every call is charged to, and what its outcome says about key and address."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard, TypeVar

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.postgres import is_unavailable
from closet_messaging.transaction import Begin, Tx

from perfect_adapter.domain.backoff import Backoff
from perfect_adapter.domain.clock import Dates
from perfect_adapter.domain.keys import CHEAPEST, NO_UNITS, Key, KeyState, is_about_the_key, probe_in_s
from perfect_adapter.domain.quota import Allotment, Budget, Order, Party, admit, allot
from perfect_adapter.ports import NoAnswer, NotMade, Refused, Throttled, Unreachable
from perfect_adapter.store import clock, ledger, renders
from perfect_adapter.store import keys as key_store
from perfect_adapter.store.ledger import Charge, Standing
from perfect_adapter.store.render import Render
from perfect_adapter.worker.keyring import KeyRing

log = structlog.get_logger(__name__)
T = TypeVar("T")

WRITE_AGAIN = Backoff(0.5, 5.0)

_UNREACHABLE_FIRST_S = 0.5
_UNREACHABLE_LONGEST_S = 20.0
_THROTTLED_FIRST = 1 / 60  # of the quota's window: what is over it stays over it for a while
_FAIRLY_SAME = (0.8, 1.2)


@dataclass(frozen=True, slots=True)
class Called:
    """A call that was made: charged under this id, with this key, and what came of it.

    `units`: what the task costs that it was to create; 0 for other calls.
    """

    call_id: int
    key: str
    answer: object
    units: int = 0


@dataclass(eq=False)
class Line:
    """Shared with every other replica through the database.

    Args:
        begin: opens a unit of work.
        ring: the keys that this process holds.
        egress: the name of the address that calls come from; replicas behind one address share it.
        budget: of each key, and of each address.
        lease_s: how long work in hand stays in hand when nothing more is heard of its worker.
        dates: what the vendor's answers said of its clock.
    """

    begin: Begin
    ring: KeyRing
    egress: str
    budget: Budget
    lease_s: float = 10.0
    dates: Dates = field(default_factory=Dates)

    def key(self, name: str) -> Key:
        """The key of that name; the claim that led here has seen that it is held."""
        return self.ring.keys[name]

    async def allot(self, tx: Tx, order: Order) -> Allotment:
        """How many creations are allowed now, and with which keys."""
        egress, keys = await self._standing(tx)
        at_vendor = await key_store.at_vendor(tx.conn)
        parties = [
            replace(standing.party, owed=at_vendor.get(standing.party.name, 0))
            for standing in keys.values()
            if standing.state is KeyState.ACTIVE and not standing.party.paused_s
        ]
        owed = sum(at_vendor.values())
        if egress.paused_s or not parties:
            return Allotment(0, {}, egress.paused_s or _first_pause(keys))
        allotment = allot(self.budget, replace(egress, owed=owed), parties, order)
        limits = {name: each.affordable for name, each in keys.items() if each.affordable is not None}
        return replace(allotment, affordable=limits)

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
        """Write down how calls ended, and let key and address go slower, or on, after what has just been learnt.

        It locks parties: whoever settles does it first in a transaction, before any row of the work is locked.
        """
        if not calls:
            return
        refused = [call for call in calls if _is_about_its_key(call.answer)]
        throttled = {call.key for call in calls if isinstance(call.answer, Throttled)}
        away = any(isinstance(call.answer, Unreachable) for call in calls)
        answered = {call.key for call in calls if not isinstance(call.answer, NoAnswer | Refused | NotMade)}
        slower = {*throttled, self.egress} if throttled or away else set()
        faster = await ledger.struck(tx.conn, {*answered, self.egress}) if answered and not slower else set()
        if touched := {*slower, *faster, *(call.key for call in refused)}:
            await ledger.lock(tx.conn, touched)
        await self._pause(tx, slower, throttled=bool(throttled))
        if faster:
            await ledger.forgive(tx.conn, faster)
        for call in sorted(refused, key=lambda call: call.key):
            await self._take_out(tx, call)
        await ledger.settle(tx.conn, {call.call_id: _outcome(call.answer) for call in calls})
        if date := self.dates.take():
            await clock.note(tx.conn, *date)

    async def _pause(self, tx: Tx, parties: set[str], *, throttled: bool) -> None:
        if not parties:
            return
        first_s, longest_s = _UNREACHABLE_FIRST_S, _UNREACHABLE_LONGEST_S
        if throttled:
            first_s, longest_s = self.budget.window_s * _THROTTLED_FIRST, self.budget.window_s
        jitter = random.uniform(*_FAIRLY_SAME)  # noqa: S311 jitter is no secret
        await ledger.pause(tx.conn, parties, first_s, longest_s, jitter)

    async def renew(self, claimed: Sequence[Render]) -> None:
        """Keep what is in hand."""
        async with self.begin() as tx:
            await renders.renew(tx.conn, claimed, self.lease_s)

    async def _standing(self, tx: Tx) -> tuple[Party, Mapping[str, Standing]]:
        return await ledger.standing(tx.conn, list(self.ring.keys), self.egress, self.budget)

    async def _take_out(self, tx: Tx, call: Called) -> None:
        """The key is locked. An account that did not suffice for something dear is good for what is cheaper."""
        if not _is_about_its_key(call.answer):
            return
        reason = call.answer.code or f"HTTP {call.answer.status}"
        if reason == NO_UNITS and call.units:
            await key_store.limit_units(tx.conn, call.key, call.units - 1)
        if reason == NO_UNITS and call.units > CHEAPEST:
            log.warning("vendor_key_short_of_units", key=call.key, units_needed=call.units)
        elif await key_store.take_out(tx.conn, call.key, reason, probe_in_s(0)):
            log.error("vendor_key_out", key=call.key, reason=reason)


def outcome_of(answer: object) -> str:
    """A call's outcome in the ledger: what it was, and its code if it has one."""
    name = type(answer).__name__
    detail = getattr(answer, "code", None) or getattr(answer, "reason", None)
    return f"{name}: {detail}" if detail else name


def _outcome(answer: object) -> ledger.Outcome:
    return ledger.Outcome(outcome_of(answer), not isinstance(answer, Unreachable | NotMade))


def _is_about_its_key(answer: object) -> TypeGuard[Refused]:
    return isinstance(answer, Refused) and is_about_the_key(answer.status, answer.code)


def _first_pause(keys: Mapping[str, Standing]) -> float | None:
    pauses = [each.party.paused_s for each in keys.values() if each.state is KeyState.ACTIVE and each.party.paused_s]
    return min(pauses, default=None)


async def write_down(written: Batcher[T, None], outcome: T) -> None:
    """Have `outcome` written, however long the database is away: what the vendor said is known here and nowhere else.

    A lease that was lost meanwhile is the writer's business; so is an outcome that had been written after all.
    """
    failures = 0
    while True:
        try:
            return await written.submit(outcome)
        except Exception as error:
            if not is_unavailable(error):
                raise
            failures += 1
            log.warning("outcome_not_written", error=type(error).__name__, failures=failures)
            await asyncio.sleep(WRITE_AGAIN.draw_s(failures))
