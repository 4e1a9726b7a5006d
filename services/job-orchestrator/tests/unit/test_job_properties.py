"""Facts in any order, any number of times."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from job_orchestrator.domain.effects import Completion, Dispatch, Effect, End, StopRequest
from job_orchestrator.domain.facts import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    ConsentWithdrawn,
    CreditsDenied,
    CreditsHeld,
    DeadlinePassed,
    Fact,
    InputReady,
    InputRejected,
    SettlementDue,
)
from job_orchestrator.domain.job import OPEN_PHASES, Input, Item, ItemState, Job, Phase, Reason
from job_orchestrator.domain.transitions import apply

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
UPLOADS = frozenset({"photo", "shirt"})
WHY = Reason("code", "A sentence.")
INPUTS = tuple(Input(item, "image", upload) for item in range(3) for upload in sorted(UPLOADS))

numbers = st.integers(0, 3)
attempts = st.integers(1, 4)
uploads = st.sampled_from([*UPLOADS, "foreign"])
times = st.integers(-5, 5).map(lambda minutes: NOON + timedelta(minutes=minutes))
preparations: st.SearchStrategy[Fact] = st.one_of(
    st.builds(InputReady, uploads), st.builds(InputReady, uploads), st.just(CreditsHeld())
)
renders: st.SearchStrategy[Fact] = st.one_of(
    st.builds(AttemptStarted, numbers, attempts),
    st.builds(AttemptSucceeded, numbers, attempts, st.integers(0, 9)),
    st.builds(AttemptFailed, numbers, attempts, st.integers(0, 9), st.just(WHY), st.booleans()),
)
ends: st.SearchStrategy[Fact] = st.one_of(
    st.builds(InputRejected, uploads, st.just(WHY)),
    st.builds(CreditsDenied, st.just(WHY)),
    st.just(CancelRequested()),
    st.just(SettlementDue()),
    st.just(DeadlinePassed()),
    st.builds(ConsentWithdrawn, times),
)
histories = st.lists(st.one_of(preparations, renders, preparations, renders, ends), max_size=60)
inputs = st.lists(st.sampled_from(INPUTS), unique=True)


def job_of(
    count: int, wanted: list[Input], given_at: datetime | None, withdrawn_at: datetime | None, tries: int
) -> Job:
    used = tuple(each for each in wanted if each.item < count)
    return Job(given_at, tries, used, items=(Item(),) * count, withdrawn_at=withdrawn_at)


jobs = st.builds(job_of, st.integers(1, 3), inputs, st.just(NOON) | st.none(), st.none() | times, st.integers(1, 4))


@given(jobs, histories)
def test_whatever_happens_the_rules_hold(job: Job, facts: list[Fact]) -> None:
    effects: list[Effect] = []
    for fact in facts:
        after, new_effects = apply(job, fact)
        assert after == job or after.version == job.version + 1
        assert not (new_effects and after == job), "effects without a change"
        assert job.phase in OPEN_PHASES or after == job, "life after the end"
        assert apply(after, fact) == (after, ()), "a repeated fact counted"
        if any(isinstance(each, Dispatch) for each in new_effects):
            assert after.has_hold
            assert not after.missing_inputs
            assert after.has_consent
        job, effects = after, [*effects, *new_effects]
    dispatches = [effect for effect in effects if isinstance(effect, Dispatch)]
    for number, item in enumerate(job.items):
        assert [each.attempt for each in dispatches if each.item == number] == list(range(1, item.attempt + 1))
        assert item.attempt <= job.max_attempts
    tried = {item.attempt > 0 for item in job.items if not (item.reason and item.reason.role)}
    assert len(tried) <= 1, "all that have their inputs are dispatched, or none"
    ends = [effect for effect in effects if isinstance(effect, Completion | End)]
    stop_requests = [effect for effect in effects if isinstance(effect, StopRequest)]
    assert len(stop_requests) <= 1
    assert [effect for effect in effects if not isinstance(effect, StopRequest)] == [
        *dispatches,
        *ends,
    ]
    assert len(ends) == (job.phase not in OPEN_PHASES)
    rendered = job.phase is Phase.COMPLETED
    assert rendered == (Completion() in ends)
    assert not rendered or {item.state for item in job.items} <= {ItemState.SUCCEEDED, ItemState.FAILED}
    begun = sum(item.state in {ItemState.SUCCEEDED, ItemState.RUNNING} for item in job.items)
    assert job.amount_due(9) <= 9 * begun // len(job.items)
    assert (job.amount_due(9) > 0) == (begun > 0 and job.phase in {Phase.COMPLETED, Phase.CANCELLED})


@given(st.data(), st.lists(st.integers(0, 2), min_size=1, max_size=3))
def test_facts_of_a_good_life_lead_to_one_end_in_any_order_and_number(data: st.DataObject, failures: list[int]) -> None:
    """Within a stage facts come in any order; facts of stages past come again at any time."""
    stages: list[list[Fact]] = [[InputReady("photo"), InputReady("shirt"), CreditsHeld()]]
    for n in range(1, 4):
        tried = [(item, many) for item, many in enumerate(failures) if n <= many + 1]
        stages += [
            [AttemptFailed(item, n, 1, WHY, retryable=True) for item, many in tried if n <= many]
            + [fact for item, many in tried if n == many + 1 for fact in _made(item, n)]
        ]
    job, effects, past = job_of(len(failures), [*INPUTS], NOON, None, 3), Counter[str](), list[Fact]()
    for stage in filter(None, stages):
        again = data.draw(st.lists(st.sampled_from([*past, *stage]), max_size=8))
        for fact in data.draw(st.permutations([*stage, *again])):
            job, new_effects = apply(job, fact)
            effects.update(type(each).__name__ for each in new_effects)
        past += stage
    assert job.phase is Phase.COMPLETED
    assert [item.attempt for item in job.items] == [many + 1 for many in failures]
    assert job.vendor_ms == effects["Dispatch"] == sum(failures) + len(failures)
    assert (effects["Completion"], effects["End"]) == (1, 0)


def _made(item: int, attempt: int) -> list[Fact]:
    return [AttemptStarted(item, attempt), AttemptSucceeded(item, attempt, 1)]
