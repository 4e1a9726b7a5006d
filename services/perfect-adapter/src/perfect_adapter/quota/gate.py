"""The quota gate: admits and charges every call, and learns from its outcome about its key and the egress address."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

import structlog
from closet_messaging.transaction import Begin, Tx

from perfect_adapter.quota import api_keys, call_log, subjects
from perfect_adapter.quota.api_keys import KeyRing, KeyState, check_in_s
from perfect_adapter.quota.budget import Allocation, Budget, QuotaSubject, TaskDemand, admit, allocate
from perfect_adapter.quota.call_log import CallCharge
from perfect_adapter.quota.subjects import QuotaState
from perfect_adapter.vendor.answers import NoAnswer, NotMade, Refused, Throttled, Unreachable
from perfect_adapter.vendor.clock import ServerDates
from perfect_adapter.vendor.keys import CHEAPEST, NO_UNITS, ApiKey, is_about_the_key

log = structlog.get_logger(__name__)

_UNREACHABLE_FIRST_S = 0.5
_UNREACHABLE_LONGEST_S = 20.0
_THROTTLED_FIRST = 1 / 60  # of the quota's window: a full window stays full for a while
_JITTER = (0.8, 1.2)


@dataclass(frozen=True, slots=True)
class CompletedCall:
    """A call that has ended: its id in the call log, its key and its answer.

    `units`: the price of the task that it was to create; 0 for other calls.
    """

    call_id: int
    key: str
    answer: object
    units: int = 0


@dataclass(eq=False, kw_only=True)
class QuotaGate:
    """Admission to the vendor, shared with every other replica through the database.

    Args:
        begin: opens a unit of work.
        ring: the keys that this process holds.
        egress: the name of the address that calls come from; replicas behind one address share it.
        budget: of each key, and of each address.
        lease_s: how long claimed work stays claimed without a sign of life of its worker.
        dates: the `Date` headers of the vendor's answers.
    """

    begin: Begin
    ring: KeyRing
    egress: str
    budget: Budget
    lease_s: float = 10.0
    dates: ServerDates = field(default_factory=ServerDates)

    def key(self, name: str) -> ApiKey:
        """Return the key of that name; the caller's claim has checked that this process holds it."""
        return self.ring.keys[name]

    async def allocate(self, tx: Tx, demand: TaskDemand) -> Allocation:
        """Return how many tasks may be created now, and with which keys."""
        egress, keys = await self._read(tx)
        at_vendor = await api_keys.count_at_vendor(tx.conn)
        usable = [
            replace(key.subject, owed=at_vendor.get(key.subject.name, 0))
            for key in keys.values()
            if key.state is KeyState.ACTIVE and not key.subject.paused_s
        ]
        owed = sum(at_vendor.values())
        if egress.paused_s or not usable:
            return Allocation(0, {}, egress.paused_s or _first_pause(keys))
        allocation = allocate(self.budget, replace(egress, owed=owed), usable, demand)
        limits = {name: each.max_units for name, each in keys.items() if each.max_units is not None}
        return replace(allocation, max_units_by_key=limits)

    async def admit(self, tx: Tx, wanted: Sequence[str]) -> tuple[list[bool], float]:
        """Return which of these calls, each bound to a key, may be made now, and when to ask for the rest."""
        egress, keys = await self._read(tx)
        usable = {name: each.subject for name, each in keys.items() if each.state is not KeyState.OUT}
        return admit(self.budget, egress, usable, wanted)

    async def admit_account_call(self, tx: Tx, key: str) -> bool:
        """Return whether a call about the key's account may be made now, even if the key is out."""
        egress, keys = await self._read(tx)
        admitted, _ = admit(self.budget, egress, {key: keys[key].subject}, [key])
        return all(admitted)

    async def charge(self, tx: Tx, operation: str, calls: Sequence[tuple[str, str | None]]) -> list[int]:
        """Add calls to the log, each with its key and its render, and return their ids."""
        return await call_log.charge(
            tx.conn, [CallCharge(key, self.egress, operation, render_id) for key, render_id in calls]
        )

    async def settle(self, tx: Tx, calls: Sequence[CompletedCall]) -> None:
        """Record how calls ended; pause keys and egress address, or reset their back-off, accordingly.

        It locks quota subjects: callers settle first in a transaction, before they lock any row of the work.
        """
        if not calls:
            return
        refused = [call for call in calls if _is_about_its_key(call.answer)]
        throttled = {call.key for call in calls if isinstance(call.answer, Throttled)}
        is_away = any(isinstance(call.answer, Unreachable) for call in calls)
        answered = {call.key for call in calls if not isinstance(call.answer, NoAnswer | Refused | NotMade)}
        slower = {*throttled, self.egress} if throttled or is_away else set()
        faster = await subjects.read_backed_off(tx.conn, {*answered, self.egress}) if answered and not slower else set()
        if touched := {*slower, *faster, *(call.key for call in refused)}:
            await subjects.lock(tx.conn, touched)
        await self._pause(tx, slower, throttled=bool(throttled))
        if faster:
            await subjects.reset_backoff(tx.conn, faster)
        for call in sorted(refused, key=lambda call: call.key):
            await self._take_out(tx, call)
        await call_log.settle(tx.conn, {call.call_id: _outcome(call.answer) for call in calls})
        if date := self.dates.take():
            await call_log.add_clock_sample(tx.conn, *date)

    async def _pause(self, tx: Tx, names: set[str], *, throttled: bool) -> None:
        if not names:
            return
        first_s, longest_s = _UNREACHABLE_FIRST_S, _UNREACHABLE_LONGEST_S
        if throttled:
            first_s, longest_s = self.budget.window_s * _THROTTLED_FIRST, self.budget.window_s
        jitter = random.uniform(*_JITTER)  # noqa: S311 jitter is no secret
        await subjects.pause(tx.conn, names, first_s, longest_s, jitter)

    async def _read(self, tx: Tx) -> tuple[QuotaSubject, Mapping[str, QuotaState]]:
        return await subjects.read(tx.conn, list(self.ring.keys), self.egress, self.budget)

    async def _take_out(self, tx: Tx, call: CompletedCall) -> None:
        """Take out a locked key; one whose account did not suffice for an expensive task goes on with cheaper ones."""
        if not _is_about_its_key(call.answer):
            return
        reason = call.answer.code or f"HTTP {call.answer.status}"
        if reason == NO_UNITS and call.units:
            await api_keys.limit_units(tx.conn, call.key, call.units - 1)
        if reason == NO_UNITS and call.units > CHEAPEST:
            log.warning("vendor_key_short_of_units", key=call.key, units_needed=call.units)
        elif await api_keys.take_out(tx.conn, call.key, reason, check_in_s(0)):
            log.error("vendor_key_disabled", key=call.key, reason=reason)


def outcome_text(answer: object) -> str:
    """Return a call's outcome for the log: the kind of answer, and its code or reason if it has one."""
    name = type(answer).__name__
    detail = getattr(answer, "code", None) or getattr(answer, "reason", None)
    return f"{name}: {detail}" if detail else name


def _outcome(answer: object) -> call_log.CallOutcome:
    return call_log.CallOutcome(outcome_text(answer), not isinstance(answer, Unreachable | NotMade))


def _is_about_its_key(answer: object) -> TypeGuard[Refused]:
    return isinstance(answer, Refused) and is_about_the_key(answer.status, answer.code)


def _first_pause(keys: Mapping[str, QuotaState]) -> float | None:
    pauses = [
        each.subject.paused_s for each in keys.values() if each.state is KeyState.ACTIVE and each.subject.paused_s
    ]
    return min(pauses, default=None)
