"""Submitting: the intent is written, the task is created by one POST, and what came of it is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.leased_work import Claimed
from closet_chassis.postgres import is_unavailable
from closet_chassis.telemetry import current_traceparent, span_from
from closet_chassis.worker import Wake
from closet_messaging import outbox
from closet_messaging.transaction import Connection, Tx
from prometheus_client import Counter

from perfect_adapter.domain.bodies import References
from perfect_adapter.domain.doubt import LOOK_FIRST_S
from perfect_adapter.domain.holds import Assignment, OpenOrder, alike, hold_s, still_holds
from perfect_adapter.domain.keys import Key
from perfect_adapter.domain.leases import Lease
from perfect_adapter.domain.quota import Allotment
from perfect_adapter.domain.quota import Order as Wanted
from perfect_adapter.domain.renders import MOST_URGENT
from perfect_adapter.domain.room import Rules
from perfect_adapter.ports import Created, Finished, NoAnswer, NotMade, Order, Submission, Vendor
from perfect_adapter.store import doubts, orders, renders, room
from perfect_adapter.store.render import Render
from perfect_adapter.store.renders import Began
from perfect_adapter.store.room import Closed, Entered, View
from perfect_adapter.worker import circuits, ends, outcomes
from perfect_adapter.worker.ends import Done, Fail
from perfect_adapter.worker.inputs import Inputs, NotUsable
from perfect_adapter.worker.line import Called, Line, write_down
from perfect_adapter.worker.outcomes import Submitted
from perfect_adapter.worker.results import Results
from perfect_adapter.worker.typical import TypicalTimes

log = structlog.get_logger(__name__)

WITHHELD = Counter(
    "closet_vendor_orders_withheld_total", "Orders that were not sent: their lease was over, or they unwanted"
)
LATE = Counter(
    "closet_vendor_late_answers_total", "Tasks that were told of after their order's lease was over", ["outcome"]
)

SEARCH_S = 2.0
"""How long the search that lets others go on may take, for whoever estimates it."""

# Nothing is ordered that could not be there in time: it would be paid for and thrown away.
TIME_NEEDED_S = 2.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A render to be submitted, and the calls that are charged for it: its creation, and bringing its files."""

    render: Render
    create_call: int
    file_call: int | None


@dataclass(frozen=True, slots=True)
class Terms:
    """How orders are made.

    `at_once`: how many of one key and path may be in hand or in doubt at the same time; none waits for one that has
    been in doubt, and was looked for in vain, for `doubt_wait_s`.
    """

    rules: Rules
    at_once: int
    calls_per_task: int
    look_after_s: float
    doubt_wait_s: float


@dataclass(eq=False)
class Submitter:
    """The lane of submissions. `begun` is called when a task has begun, `doubted` when one is in doubt."""

    line: Line
    vendor: Vendor
    inputs: Inputs
    results: Results
    terms: Terms
    begun: Callable[[], None]
    doubted: Callable[[], None]
    wake: Wake = field(default_factory=Wake)
    _typical: TypicalTimes = field(default_factory=TypicalTimes, init=False)
    _written: Batcher[Submitted, None] = field(init=False)

    def __post_init__(self) -> None:
        self._written = Batcher(self._write)

    async def claim(self, limit: int) -> Claimed[Claim]:
        """Take who is next, charge the calls and write the intents, in one transaction."""
        async with self.line.begin() as tx:
            if not await room.anyone(tx.conn):
                return Claimed(())
            entered = await room.enter(tx.conn)
            allotment = await self.line.allot(tx, Wanted(limit, self.terms.calls_per_task))
            if not allotment.count:
                return Claimed((), allotment.wait_s)
            assignment = await self._assignment(tx, allotment)
            again_s = await self._choose(tx, entered, allotment.count, assignment)
            claims = await self._take(tx, assignment.keys)
        if claims and len(claims) < allotment.count:
            return Claimed(claims, 0.0)  # what was just ordered may stand before what else there is
        return Claimed(claims, allotment.wait_s if claims else again_s)

    async def renew(self, claims: Sequence[Claim]) -> None:
        """Keep what is in hand."""
        await self.line.renew([claim.render for claim in claims])

    async def work(self, claim: Claim) -> None:
        """Create the task, once. From here until the outcome is written, a crash leaves it unknown."""
        render = claim.render
        attributes = {"closet.render_id": render.render_id, "closet.feature": render.feature.name}
        with span_from(render.traceparent, "submit render", attributes=attributes) as span:
            answer, calls = await self._order(claim)
            span.set_attribute("closet.outcome", type(answer).__name__)
            traced = replace(render, traceparent=current_traceparent())
            await write_down(self._written, Submitted(traced, calls, answer, datetime.now(UTC)))
        if isinstance(answer, Created | Done | Fail | NotUsable | NotMade):
            self.wake.set()  # its key may take the next one

    async def _assignment(self, tx: Tx, allotment: Allotment) -> Assignment:
        holding, _ = await _holding(tx.conn, self.terms)
        return Assignment(dict(allotment.rooms), holding, self.terms.at_once, allotment.affordable)

    async def _choose(self, tx: Tx, entered: Entered, count: int, assignment: Assignment) -> float | None:
        """Give places to who is next; in how many seconds to look for who was not seen, if there may be somebody."""
        circuit = await circuits.closed(tx.conn)
        closed = Closed(
            [*circuit.blocked, *assignment.full(MOST_URGENT)], circuit.half_open, assignment.full(MOST_URGENT + 1)
        )
        rules = self.terms.rules
        typical_s = await self._typical.read(tx.conn)
        view = View(count, TIME_NEEDED_S, closed, bool(rules.cap), typical_s, assignment.dearest(), rules.aged_s)
        seen, idle = await room.look_around(tx.conn, entered, view)
        chosen = seen.choose(count, rules, assignment)
        await circuits.note_probes(tx.conn, circuit.half_open, [one.feature for one in chosen])
        again_s = await room.leave(tx.conn, seen, {one.tenant for one in chosen}, idle)
        return 0.0 if entered.has_more else again_s

    async def _take(self, tx: Tx, keys: Mapping[str, str]) -> list[Claim]:
        taken = await renders.take_for_submission(tx.conn, keys, self.line.lease_s)
        uploading = [one for one in taken if self.inputs.are_uploaded(one)]
        created = await self._charge(tx, "create", taken)
        uploaded = await self._charge(tx, "file", uploading)
        return [Claim(one, created[one.render_id], uploaded.get(one.render_id)) for one in taken]

    async def _charge(self, tx: Tx, operation: str, taken: Sequence[Render]) -> dict[str, int]:
        call_ids = await self.line.charge(tx, operation, [(one.key, one.render_id) for one in taken])
        return {one.render_id: call_id for one, call_id in zip(taken, call_ids, strict=True)}

    async def _order(self, claim: Claim) -> tuple[Submission | NotUsable | Done | Fail, Sequence[Called]]:
        render, key = claim.render, self.line.key(claim.render.key)
        refs, uploaded = await self.inputs.refer(render, key)
        calls = [Called(claim.file_call, key.name, uploaded or NotMade())] if claim.file_call is not None else []
        if isinstance(refs, NotUsable):
            return refs, [*calls, Called(claim.create_call, key.name, NotMade())]
        answer = await self._send(render, key, refs)
        calls.append(Called(claim.create_call, key.name, answer, render.feature.units(render.work)))
        if isinstance(answer, Finished):
            return await self.results.keep(render, answer), calls
        return answer, calls

    async def _send(self, render: Render, key: Key, refs: References) -> Submission:
        """Send it, if it is still in hand here. Its lease begins anew, and is checked again as the bytes leave."""
        lease = Lease.from_now(self.line.lease_s)
        if not await self._confirm(render):
            WITHHELD.inc()
            log.warning("order_withheld", render_id=render.render_id, reason="not in hand any more, or unwanted")
            return NotMade("not in hand")
        answer = await self.vendor.create(key, Order(render.feature, render.work, refs, lease))
        if isinstance(answer, NotMade):
            WITHHELD.inc()
        return answer

    async def _confirm(self, render: Render) -> bool:
        try:
            async with self.line.begin() as tx:
                return await renders.confirm(tx.conn, render, self.line.lease_s)
        except Exception as error:
            if not is_unavailable(error):
                raise
            return False  # nothing was sent, so nothing is in doubt

    async def _write(self, group: Sequence[Submitted]) -> Sequence[None]:
        async with self.line.begin() as tx:
            await self.line.settle(tx, [call for one in group for call in one.calls])
            await circuits.note(tx.conn, [(one.render.feature.name, one.answer) for one in group])
            held = await renders.hold(tx.conn, [one.render for one in group])
            await self._write_held(tx, [one for one in group if one.render.render_id in held])
            await self._write_late(tx, [one for one in group if one.render.render_id not in held])
        return [None] * len(group)

    async def _write_held(self, tx: Tx, group: Sequence[Submitted]) -> None:
        await self._write_created(tx, outcomes.created(group))
        await renders.back_to_waiting(tx.conn, [back for one in group if (back := outcomes.setback(one))])
        lost = [one.render for one in group if isinstance(one.answer, NoAnswer)]
        if lost:
            await doubts.begin(tx.conn, [render.render_id for render in lost], LOOK_FIRST_S)
            tx.after_commit(self.doubted)
        await ends.succeed(tx, [(one.render, one.answer) for one in group if isinstance(one.answer, Done)])
        await ends.fail(tx, [(one.render, fail) for one in group if (fail := outcomes.failure(one))])

    async def _write_created(self, tx: Tx, created: Sequence[tuple[Render, Began]]) -> None:
        await renders.mark_running(tx.conn, [began for _, began in created], self.terms.look_after_s)
        for render, began in created:
            _tell_started(tx, render, began.task_id)
        if created:
            tx.after_commit(self.begun)

    async def _write_late(self, tx: Tx, group: Sequence[Submitted]) -> None:
        """Answers that came after the order was in doubt: it is in doubt no more; or it was given up, or dropped."""
        created = outcomes.created(group)
        going_on = await renders.note_task(tx.conn, [began for _, began in created])
        for render, began in created:
            outcome = "went_on" if render.render_id in going_on else "for_nobody"
            tx.after_commit(LATE.labels(outcome).inc)
            if render.render_id in going_on:
                _tell_started(tx, render, began.task_id)
                tx.after_commit(self.begun)
            else:
                log.error("task_without_a_render", render_id=render.render_id, task_id=began.task_id)


def _tell_started(tx: Tx, render: Render, task_id: str) -> None:
    outbox.add(tx, ends.started(render, task_id), tenant=render.tenant_id, cause=render)


async def stops_of(conn: Connection, keys: Sequence[str], terms: Terms) -> dict[str, float]:
    """Features that wait for orders in doubt, and for how many seconds at most if a search then shows no trace."""
    holding, typical_s = await _holding(conn, terms)
    in_doubt = [one for one in holding if not one.in_hand]
    full = Assignment(dict.fromkeys(keys, 1), in_doubt, terms.at_once).full(MOST_URGENT + 1)
    return {feature: _ends_in_s(feature, in_doubt, typical_s, terms) for feature in full if in_doubt}


def _ends_in_s(feature: str, holding: Sequence[OpenOrder], typical_s: Mapping[str, float], terms: Terms) -> float:
    names = alike(feature)
    ends = [
        max(min(hold_s(typical_s.get(one.feature)), terms.doubt_wait_s) - one.age_s, SEARCH_S)
        for one in holding
        if one.feature in names
    ]
    return min(ends, default=0.0)


async def _holding(conn: Connection, terms: Terms) -> tuple[list[OpenOrder], Mapping[str, float]]:
    """The open orders that others wait for, and how long tasks take."""
    open_orders = await orders.open_orders(conn)
    in_doubt = any(not one.in_hand for one in open_orders)
    typical_s = await orders.typical_s(conn) if in_doubt else {}
    wait_s = terms.doubt_wait_s
    return [one for one in open_orders if still_holds(one, typical_s.get(one.feature), wait_s)], typical_s
