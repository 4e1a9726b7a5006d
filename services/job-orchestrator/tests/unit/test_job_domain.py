"""One job, fact by fact."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from job_orchestrator.domain import (
    CONSENT_WITHDRAWN,
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
NEW = Job(consent_given_at=NOON, missing=frozenset({"photo", "shirt"}), max_attempts=3)
READY: list[Fact] = [InputReady("photo"), InputReady("shirt"), CreditsHeld()]
WHY = Reason("vendor_code", "The vendor says no.")


def failed(attempt: int, *, retryable: bool = True) -> AttemptFailed:
    return AttemptFailed(attempt, vendor_ms=100, reason=WHY, retryable=retryable)


def live(*facts: Fact, job: Job = NEW) -> tuple[Job, list[News]]:
    told = []
    for fact in facts:
        job, news = apply(job, fact)
        told += [news] if news else []
    return job, told


def test_a_job_runs_when_inputs_and_credits_are_there_and_completes() -> None:
    job, told = live(*READY, AttemptStarted(1), AttemptSucceeded(1, vendor_ms=700))
    assert told == [Dispatch(1), Complete()]
    assert (job.phase, job.vendor_ms, job.version) == (Phase.COMPLETED, 700, 6)


@pytest.mark.parametrize("lacking", READY, ids=["photo", "shirt", "credits"])
def test_nothing_is_dispatched_while_something_lacks(lacking: Fact) -> None:
    job, told = live(*(fact for fact in READY if fact != lacking))
    assert (job.phase, told) == (Phase.ACCEPTED, [])


def test_an_input_used_twice_needs_to_be_ready_once() -> None:
    _, told = live(CreditsHeld(), InputReady("photo"), job=replace(NEW, missing=frozenset({"photo"})))
    assert told == [Dispatch(1)]


def test_a_failed_attempt_is_repeated_up_to_the_limit_and_the_last_reason_stays() -> None:
    job, told = live(*READY, failed(1), AttemptStarted(2), failed(2), failed(3))
    assert told == [Dispatch(1), Dispatch(2), Dispatch(3), End(Phase.FAILED, WHY)]
    assert (job.attempt, job.vendor_ms) == (3, 300)


def test_a_failure_that_would_pay_twice_is_not_repeated() -> None:
    _, told = live(*READY, failed(1, retryable=False))
    assert told == [Dispatch(1), End(Phase.FAILED, WHY)]


def test_news_of_an_earlier_attempt_changes_nothing() -> None:
    second, _ = live(*READY, failed(1))
    assert live(AttemptStarted(1), AttemptSucceeded(1, 5), failed(1), AttemptSucceeded(3, 5), job=second) == (
        second,
        [],
    )


def test_a_rejected_input_ends_the_job_with_its_own_reason() -> None:
    bomb = Reason("decompression_bomb", "This picture is not what it seems.")
    job, told = live(InputReady("photo"), InputRejected("shirt", bomb), CreditsHeld())
    assert (job.phase, told) == (Phase.FAILED, [End(Phase.FAILED, bomb)])


@pytest.mark.parametrize("upload", ["photo", "somebody-else's"])
def test_a_rejection_of_what_is_ready_or_not_asked_for_changes_nothing(upload: str) -> None:
    job, _ = live(InputReady("photo"))
    assert apply(job, InputRejected(upload, WHY)) == (job, None)


def test_denied_credits_end_the_job() -> None:
    _, told = live(*READY[:2], CreditsDenied(WHY))
    assert told == [End(Phase.FAILED, WHY)]


def test_a_denial_after_the_hold_is_stale() -> None:
    job, _ = live(CreditsHeld())
    assert apply(job, CreditsDenied(WHY)) == (job, None)


@pytest.mark.parametrize("before", [[], READY[:1], READY, [*READY, AttemptStarted(1)]], ids=len)
@pytest.mark.parametrize(
    ("fact", "phase"), [(CancelRequested(), Phase.CANCELLED), (DeadlinePassed(), Phase.EXPIRED)], ids=str
)
def test_what_ends_a_job_while_the_vendor_works_stays(before: list[Fact], fact: Fact, phase: Phase) -> None:
    ended, told = live(*before, fact)
    assert (ended.phase, told[-1].phase if isinstance(told[-1], End) else None) == (phase, phase)
    assert live(*READY, AttemptSucceeded(1, 5), failed(1), CancelRequested(), DeadlinePassed(), job=ended) == (
        ended,
        [],
    )


@pytest.mark.parametrize("before", [[], READY[:1], READY], ids=len)
def test_withdrawn_consent_stops_what_has_not_reached_the_vendor(before: list[Fact]) -> None:
    job, told = live(*before, ConsentWithdrawn(NOON + timedelta(minutes=1)))
    assert told[-1] == End(Phase.CANCELLED, CONSENT_WITHDRAWN)
    assert job.phase is Phase.CANCELLED


def test_withdrawn_consent_lets_the_vendor_finish_but_not_begin_again() -> None:
    running, _ = live(*READY, AttemptStarted(1))
    withdrawn = replace(running, withdrawn_at=NOON + timedelta(minutes=1))
    assert apply(running, ConsentWithdrawn(NOON + timedelta(minutes=1))) == (running, None)
    assert live(AttemptSucceeded(1, 5), job=withdrawn)[1] == [Complete()]
    assert live(failed(1), job=withdrawn)[1] == [End(Phase.CANCELLED, CONSENT_WITHDRAWN)]


def test_a_withdrawal_that_overtook_the_request_stops_it_before_the_vendor() -> None:
    _, told = live(*READY, job=replace(NEW, withdrawn_at=NOON + timedelta(minutes=1)))
    assert told == [End(Phase.CANCELLED, CONSENT_WITHDRAWN)]


def test_consent_given_after_a_withdrawal_allows_the_later_request() -> None:
    later = replace(NEW, withdrawn_at=NOON - timedelta(minutes=1))
    assert apply(later, ConsentWithdrawn(NOON - timedelta(minutes=1))) == (later, None)
    assert live(*READY, job=later)[1] == [Dispatch(1)]


def test_every_phase_is_open_or_an_end() -> None:
    assert OPEN | {Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED} == set(Phase)
