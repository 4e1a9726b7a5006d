"""Facts in any order, any number of times."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from job_orchestrator.domain import (
    OPEN,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    Complete,
    ConsentWithdrawn,
    CreditsDenied,
    CreditsHeld,
    DeadlinePassed,
    Dispatch,
    End,
    Fact,
    InputReady,
    InputRejected,
    Job,
    News,
    Phase,
    Reason,
    apply,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
UPLOADS = frozenset({"photo", "shirt"})
WHY = Reason("code", "A sentence.")

attempts = st.integers(1, 4)
uploads = st.sampled_from([*UPLOADS, "foreign"])
times = st.integers(-5, 5).map(lambda minutes: NOON + timedelta(minutes=minutes))
preparations: st.SearchStrategy[Fact] = st.one_of(
    st.builds(InputReady, uploads), st.builds(InputReady, uploads), st.just(CreditsHeld())
)
renders: st.SearchStrategy[Fact] = st.one_of(
    st.builds(AttemptStarted, attempts),
    st.builds(AttemptSucceeded, attempts, st.integers(0, 9)),
    st.builds(AttemptFailed, attempts, st.integers(0, 9), st.just(WHY), st.booleans()),
)
ends: st.SearchStrategy[Fact] = st.one_of(
    st.builds(InputRejected, uploads, st.just(WHY)),
    st.builds(CreditsDenied, st.just(WHY)),
    st.just(CancelRequested()),
    st.just(DeadlinePassed()),
    st.builds(ConsentWithdrawn, times),
)
histories = st.lists(st.one_of(preparations, renders, preparations, renders, ends), max_size=40)
jobs = st.builds(
    Job,
    consent_given_at=st.just(NOON),
    missing=st.just(UPLOADS),
    max_attempts=st.integers(1, 4),
    withdrawn_at=st.none() | times,
)


@given(jobs, histories)
def test_whatever_happens_the_rules_hold(job: Job, facts: list[Fact]) -> None:
    told: list[News] = []
    for fact in facts:
        after, news = apply(job, fact)
        assert after == job or after.version == job.version + 1
        assert not (news and after == job), "news without a change"
        assert job.phase in OPEN or after == job, "life after the end"
        assert apply(after, fact) == (after, None), "a repeated fact counted"
        if isinstance(news, Dispatch):
            assert after.held
            assert not after.missing
            assert after.consented
        job, told = after, told + ([news] if news else [])
    dispatches = [news.attempt for news in told if isinstance(news, Dispatch)]
    assert dispatches == list(range(1, job.attempt + 1))
    assert len(dispatches) <= job.max_attempts
    assert [news for news in told if isinstance(news, Complete | End)] == told[len(dispatches) :]
    assert len(told) - len(dispatches) == (job.phase not in OPEN)


@given(st.data(), st.integers(0, 2))
def test_facts_of_a_good_life_lead_to_one_end_in_any_order_and_number(data: st.DataObject, failures: int) -> None:
    """Within a stage facts come in any order; facts of stages past come again at any time."""
    stages: list[list[Fact]] = [[InputReady("photo"), InputReady("shirt"), CreditsHeld()]]
    stages += [[AttemptFailed(n, 1, WHY, retryable=True)] for n in range(1, failures + 1)]
    stages += [[AttemptStarted(failures + 1), AttemptSucceeded(failures + 1, 1)]]
    job, told, past = Job(NOON, UPLOADS, max_attempts=3), Counter[str](), list[Fact]()
    for stage in stages:
        again = data.draw(st.lists(st.sampled_from([*past, *stage]), max_size=8))
        for fact in data.draw(st.permutations([*stage, *again])):
            job, news = apply(job, fact)
            told[type(news).__name__] += news is not None
        past += stage
    assert job.phase is Phase.COMPLETED
    assert (job.attempt, job.vendor_ms) == (failures + 1, failures + 1)
    assert told["Dispatch"] == failures + 1
    assert (told["Complete"], told["End"]) == (1, 0)
