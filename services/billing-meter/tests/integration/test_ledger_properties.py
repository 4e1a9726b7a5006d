"""Any sequence of grants, beginnings, ends, expiries, repetitions and crashes: the books stay right."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from billing_meter.handlers.holds import HoldMissing
from billing_meter.worker import sweep
from closet_contracts.ids import new_id
from closet_messaging.unit import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JOBS = 4
PRICE = 5

steps = st.one_of(
    st.tuples(st.sampled_from(["accepted", "completed", "ended", "crash"]), st.integers(0, JOBS - 1)),
    st.tuples(st.sampled_from(["accepted", "completed", "ended"]), st.integers(0, JOBS - 1)),
    st.tuples(st.just("grant"), st.integers(1, 12)),
    st.tuples(st.just("expire"), st.just(0)),
)


@dataclass
class Model:
    """What the books should say, in the simplest words."""

    balance: int = 0
    lost: int = 0
    jobs: dict[int, str] = field(default_factory=dict)

    @property
    def held(self) -> int:
        return PRICE * list(self.jobs.values()).count("held")

    def accepted(self, job: int) -> None:
        self.jobs.setdefault(job, "held" if self.balance - self.held >= PRICE else "denied")

    def completed(self, job: int) -> None:
        if self.jobs[job] == "held":
            self.jobs[job] = "captured"
            self.balance -= PRICE
        elif self.jobs[job] != "captured" and not self.jobs[job].endswith("lost"):
            self.jobs[job] += ", lost"
            self.lost += PRICE

    def ended(self, job: int) -> None:
        if self.jobs.setdefault(job, "barred") == "held":
            self.jobs[job] = "released"

    def expire(self) -> None:
        for job, state in self.jobs.items():
            self.jobs[job] = "released" if state == "held" else state


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=30))
async def test_the_books_say_what_a_simple_model_says(counter: Any, new_job: Any, sequence: list[Any]) -> None:
    tenant = new_id("t").replace("_", "-")
    model, jobs = Model(), [new_job(tenant=tenant) for _ in range(JOBS)]
    taken = []
    for step, which in sequence:
        if step == "grant":
            await counter.grant(which, tenant)
            model.balance += which
        elif step == "expire":
            await counter.pool.execute("UPDATE holds SET expires_at = now() WHERE state = 'held'")
            await sweep(partial(transaction, counter.pool, counter))
            model.expire()
        elif step == "crash" or (step == "completed" and which not in model.jobs):
            # The last of the batch fails, so none of it has happened.
            with pytest.raises(HoldMissing):
                await counter.take(jobs[which].accepted(), new_job(tenant=tenant).completed())
        else:
            event = getattr(jobs[which], step)()
            await counter.take(event, event)
            taken.append(event)
            getattr(model, step)(which)
        assert await counter.stands(tenant) == (model.balance, model.held)
    await counter.take(*taken)
    await counter.take(*(event for event in taken if event.type != "closet.job.completed.v1"))
    assert await counter.stands(tenant) == (model.balance, model.held), "replay changed something"
    lost = await counter.pool.fetchval("SELECT coalesce(sum(credits), 0) FROM losses WHERE tenant_id = $1", tenant)
    assert lost == model.lost
    versions = [one.version for one in counter.balances(tenant)]
    assert versions == sorted(set(versions))
