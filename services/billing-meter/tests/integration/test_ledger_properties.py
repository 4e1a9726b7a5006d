"""Any sequence of receipts, jobs, promises, corrections, expiries, repetitions and crashes: the books stay right."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from billing_meter.domain.movements import Correction, Hold, Promise, Receipt, Reversal, wallet_of
from billing_meter.handlers import promises, receipts
from billing_meter.handlers.holds import HoldMissing
from billing_meter.worker.sweep import sweep
from closet_chassis.postgres import close_pool, create_pool
from closet_contracts.ids import new_id
from closet_messaging.transaction import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

PRICE = 5
LATER = datetime.now(UTC) + timedelta(days=1)
T = TypeVar("T")

jobs = st.integers(0, 5)
few = st.integers(1, 12)


@dataclass
class Model:
    """What the books should say of one wallet, in the simplest words."""

    paid: int = 0
    given: int = 0
    promised: int = 0
    states: dict[int, str] = field(default_factory=dict)
    taken: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Job -> what it holds, or was charged: of what was paid, of what was given."""
    refunded: dict[int, int] = field(default_factory=dict)
    lost: int = 0

    @property
    def held(self) -> int:
        return self.promised + sum(sum(self.taken[job]) for job, state in self.states.items() if state == "held")

    @property
    def balance(self) -> int:
        return self.paid + self.given + self.held

    def accept(self, job: int) -> None:
        if job in self.states:
            return
        covered = self.paid + self.given >= PRICE
        self.states[job] = "held" if covered else "denied"
        if covered:
            given = min(self.given, PRICE)
            self.taken[job] = PRICE - given, given
            self.paid, self.given = self.paid - PRICE + given, self.given - given

    def draw(self, job: int) -> None:
        if job not in self.states:
            covered = self.promised >= PRICE
            self.states[job] = "held" if covered else "denied"
            self.taken[job] = PRICE, 0
            self.promised -= PRICE if covered else 0

    def complete(self, job: int, credits: int) -> None:
        if self.states[job] == "held":
            paid, given = self.taken[job]
            used = min(given, credits)
            self.given += given - used
            self.paid += paid - (credits - used)
            self.taken[job] = credits - used, used
            self.states[job] = "captured"
        elif self.states[job] != "captured" and not self.states[job].endswith("lost"):
            self.states[job] += ", lost"
            self.lost += credits

    def end(self, job: int) -> None:
        if self.states.setdefault(job, "barred") == "held":
            self.paid, self.given = self.paid + self.taken[job][0], self.given + self.taken[job][1]
            self.states[job] = "released"

    def refund(self, job: int, credits: int) -> bool:
        paid, given = self.taken.get(job, (0, 0)) if self.states.get(job) == "captured" else (0, 0)
        before = self.refunded.get(job, 0)
        if before + credits > paid + given:
            return False
        back = min(before + credits, paid) - min(before, paid)
        self.paid, self.given = self.paid + back, self.given + credits - back
        self.refunded[job] = before + credits
        return True


class Books(RuleBasedStateMachine):
    """Drives the handlers and the model with the same random decisions."""

    ledger: Any
    runner: asyncio.Runner
    make_job: Callable[..., Any]

    def __init__(self) -> None:
        super().__init__()
        self.tenant = new_id("t").replace("_", "-")
        self.wallet = wallet_of(self.tenant)
        self.model = Model()
        self.jobs = [self.make_job(tenant=self.tenant) for _ in range(6)]
        self.taken: list[Any] = []
        self.promise: str | None = None
        self.running = 0
        """Credits of promotions that have not expired: what is left beyond them goes with the next sweep."""

    def run(self, work: Awaitable[T]) -> T:
        async def bridge() -> T:
            return await work

        return self.runner.run(bridge())

    def do(self, verb: Any, *args: Any) -> str:
        """Twice, as every caller may: the second time changes nothing."""
        outcome = self.run(self._once(verb, *args))
        again = self.run(self._once(verb, *args))
        assert again == ("known" if outcome not in {"refused", "denied"} else outcome)
        return outcome

    async def _once(self, verb: Any, *args: Any) -> str:
        async with transaction(self.ledger.pool, self.ledger) as tx:
            return str((await verb(tx, *args)).outcome)

    def take(self, event: Any) -> None:
        self.run(self.ledger.handle(event, event))
        self.taken.append(event)

    @rule(credits=few, kind=st.sampled_from(["grant", "topup", "subscription"]))
    def receive(self, credits: int, kind: Any) -> None:
        receipt = Receipt(kind, new_id("receipt"), self.tenant, self.wallet, credits, "a test")
        assert self.do(receipts.receive_credits, receipt) == "granted"
        self.model.paid += credits

    @rule(credits=few)
    def promote(self, credits: int) -> None:
        receipt = Receipt("promotion", new_id("r"), self.tenant, self.wallet, credits, "a test", None, LATER)
        assert self.do(receipts.receive_credits, receipt) == "granted"
        self.model.given += credits
        self.running += credits

    @rule(job=jobs)
    def accept(self, job: int) -> None:
        self.take(self.jobs[job].accepted())
        self.model.accept(job)

    @rule(job=jobs, credits=st.integers(0, PRICE))
    def complete(self, job: int, credits: int) -> None:
        if job in self.model.states:
            event = self.jobs[job].completed(credits)
            self.take(event)
            self.model.complete(job, credits)

    @rule(job=jobs)
    def end(self, job: int) -> None:
        self.take(self.jobs[job].ended())
        self.model.end(job)

    @rule(job=jobs)
    def crash(self, job: int) -> None:
        """The last of a batch fails, so none of it has happened."""
        stranger = self.make_job(tenant=self.tenant).completed()
        try:
            self.run(self.ledger.handle(self.jobs[job].accepted(), self.jobs[job].ended(), stranger))
        except HoldMissing:
            return
        raise AssertionError("a completion without a hold was taken")

    @rule(job=jobs, credits=few)
    def refund(self, job: int, credits: int) -> None:
        number = new_id("ref")
        correction = Correction(number, self.tenant, self.jobs[job].job_id, credits, "a test", "a reason")
        outcome = self.do(receipts.refund_credits, correction)
        assert outcome == ("refunded" if self.model.refund(job, credits) else "refused")

    @rule(credits=st.integers(-12, 12).filter(bool))
    def adjust(self, credits: int) -> None:
        correction = Correction(new_id("adj"), self.tenant, self.wallet, credits, "a test", "a reason")
        fits = self.model.paid + credits >= 0
        assert self.do(receipts.adjust_credits, correction) == ("adjusted" if fits else "refused")
        self.model.paid += credits if fits else 0

    @rule(credits=few)
    def reverse(self, credits: int) -> None:
        reversal = Reversal(new_id("re"), self.tenant, self.wallet, credits, "a reason")
        assert self.do(receipts.reverse_credits, reversal) == "reversed"
        self.model.paid -= min(self.model.paid, credits)

    @precondition(lambda self: self.promise is None)
    @rule(credits=few)
    def open_promise(self, credits: int) -> None:
        promise = Promise(new_id("pro"), self.tenant, self.wallet, credits, LATER)
        if self.do(promises.promise_credits, promise) == "promised":
            self.promise = promise.promise_id
            self.model.paid, self.model.promised = self.model.paid - credits, credits

    @precondition(lambda self: self.promise is not None)
    @rule(job=jobs)
    def draw(self, job: int) -> None:
        hold = Hold(self.jobs[job].job_id, self.tenant, str(self.promise), PRICE, LATER)
        self.run(self._once(promises.hold_promised, hold))
        self.model.draw(job)

    @precondition(lambda self: self.promise is not None)
    @rule()
    def settle(self) -> None:
        assert self.do(promises.settle_promise, self.promise, self.tenant, "synced") == "settled"
        self.model.paid, self.model.promised, self.promise = self.model.paid + self.model.promised, 0, None

    @rule()
    def expire_holds(self) -> None:
        due = "UPDATE holds SET expires_at = now() WHERE state = 'held' AND tenant_id = $1"
        self._sweep(due)
        for job in [job for job, state in self.model.states.items() if state == "held"]:
            self.model.end(job)
        self.model.given = min(self.model.given, self.running)

    @rule()
    def expire_promotions(self) -> None:
        self._sweep("UPDATE promotions SET expires_at = now() WHERE wallet = 'tenant:' || $1")
        self.model.given = self.running = 0

    def _sweep(self, due: str) -> None:
        self.run(self.ledger.owner.execute(due, self.tenant))
        self.run(sweep(partial(transaction, self.ledger.pool, self.ledger)))

    @invariant()
    def the_books_say_what_the_model_says(self) -> None:
        assert self.run(self.ledger.read_balance(self.tenant)) == (self.model.balance, self.model.held)

    def teardown(self) -> None:
        """Everything said again changes nothing, also as new events with the same causes."""
        before = self.run(self.ledger.read_balance(self.tenant))
        if self.taken:
            self.run(self.ledger.handle(*self.taken))
        assert self.run(self.ledger.read_balance(self.tenant)) == before, "replay changed something"
        lost = "SELECT coalesce(sum(credits), 0) FROM losses WHERE tenant_id = $1"
        assert self.run(self.ledger.pool.fetchval(lost, self.tenant)) == self.model.lost
        versions = [one.version for one in self.ledger.balances(self.tenant)]
        assert versions == sorted(set(versions))
        assert self.run(self.ledger.pool.fetchval("SELECT rebuild_balances()")) == 0


def test_the_books_say_what_a_simple_model_says(
    database_url: str, owner_url: str, new_job: Any, new_ledger: Any
) -> None:
    with asyncio.Runner() as runner:
        pool, owner = runner.run(create_pool(database_url, 4)), runner.run(create_pool(owner_url, 1))
        Books.ledger, Books.runner, Books.make_job = new_ledger(pool, owner), runner, staticmethod(new_job)
        try:
            run_state_machine_as_test(
                Books,
                settings=settings(
                    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            for one in (pool, owner):
                runner.run(close_pool(one))
