"""One job, fact by fact."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
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
from job_orchestrator.domain.job import (
    CANCELLED_BY_OWNER,
    CONSENT_WITHDRAWN,
    OPEN_PHASES,
    Input,
    Item,
    ItemState,
    Job,
    Phase,
    Reason,
)
from job_orchestrator.domain.transitions import apply

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PHOTO, SHIRT = Input(0, "person", "photo"), Input(0, "garment", "shirt")
NEW = Job(consent_given_at=NOON, inputs=(PHOTO, SHIRT), max_attempts=3)
READY: list[Fact] = [InputReady("photo"), InputReady("shirt"), CreditsHeld()]
WHY = Reason("vendor_code", "The vendor says no.")


def started(attempt: int = 1, *, item: int = 0) -> AttemptStarted:
    return AttemptStarted(item, attempt)


def succeeded(attempt: int = 1, *, item: int = 0) -> AttemptSucceeded:
    return AttemptSucceeded(item, attempt, vendor_ms=700)


def failed(attempt: int = 1, *, item: int = 0, retryable: bool = True, reason: Reason = WHY) -> AttemptFailed:
    return AttemptFailed(item, attempt, vendor_ms=100, reason=reason, retryable=retryable)


def live(*facts: Fact, job: Job = NEW) -> tuple[Job, list[Effect]]:
    effects: list[Effect] = []
    for fact in facts:
        job, new_effects = apply(job, fact)
        effects += new_effects
    return job, effects


def test_a_job_runs_when_inputs_and_credits_are_there_and_completes() -> None:
    job, effects = live(*READY, started(), succeeded())
    assert effects == [Dispatch(0, 1), Completion()]
    assert (job.phase, job.vendor_ms, job.version) == (Phase.COMPLETED, 700, 6)


@pytest.mark.parametrize("lacking", READY, ids=["photo", "shirt", "credits"])
def test_nothing_is_dispatched_while_something_lacks(lacking: Fact) -> None:
    job, effects = live(*(fact for fact in READY if fact != lacking))
    assert (job.phase, effects) == (Phase.ACCEPTED, [])


def test_an_input_used_twice_needs_to_be_ready_once() -> None:
    _, effects = live(
        CreditsHeld(), InputReady("photo"), job=replace(NEW, inputs=(PHOTO, replace(PHOTO, role="garment")))
    )
    assert effects == [Dispatch(0, 1)]


def test_a_failed_attempt_is_repeated_up_to_the_limit_and_the_last_reason_stays() -> None:
    job, effects = live(*READY, failed(), started(2), failed(2), failed(3))
    assert effects == [Dispatch(0, 1), Dispatch(0, 2), Dispatch(0, 3), End(Phase.FAILED, WHY)]
    assert (job.attempt, job.vendor_ms) == (3, 300)


def test_a_failure_that_would_pay_twice_is_not_repeated() -> None:
    _, effects = live(*READY, failed(retryable=False))
    assert effects == [Dispatch(0, 1), End(Phase.FAILED, WHY)]


def test_news_of_an_earlier_attempt_changes_nothing() -> None:
    second, _ = live(*READY, failed())
    assert live(started(), succeeded(), failed(), succeeded(3), job=second) == (
        second,
        [],
    )


def test_a_rejected_input_ends_the_job_with_its_own_reason() -> None:
    bomb = Reason("decompression_bomb", "This picture is not what it seems.")
    job, effects = live(InputReady("photo"), InputRejected("shirt", bomb), CreditsHeld())
    blamed = Reason("decompression_bomb", "Garment: This picture is not what it seems.", role="garment")
    assert (job.phase, effects) == (Phase.FAILED, [End(Phase.FAILED, blamed)])


@pytest.mark.parametrize("upload", ["photo", "somebody-else's"])
def test_a_rejection_of_what_is_ready_or_not_asked_for_changes_nothing(upload: str) -> None:
    job, _ = live(InputReady("photo"))
    assert apply(job, InputRejected(upload, WHY)) == (job, ())


def test_denied_credits_end_the_job() -> None:
    _, effects = live(*READY[:2], CreditsDenied(WHY))
    assert effects == [End(Phase.FAILED, WHY)]


def test_a_denial_after_the_hold_is_stale() -> None:
    job, _ = live(CreditsHeld())
    assert apply(job, CreditsDenied(WHY)) == (job, ())


@pytest.mark.parametrize("before", [[], READY[:1], READY, [*READY, started()]], ids=len)
@pytest.mark.parametrize(
    ("facts", "phase"),
    [([CancelRequested(), SettlementDue()], Phase.CANCELLED), ([DeadlinePassed()], Phase.EXPIRED)],
    ids=["cancelled", "expired"],
)
def test_what_ends_a_job_while_the_vendor_works_stays(before: list[Fact], facts: list[Fact], phase: Phase) -> None:
    ended, effects = live(*before, *facts)
    assert (ended.phase, effects[-1].phase if isinstance(effects[-1], End) else None) == (phase, phase)
    assert live(*READY, succeeded(), failed(), CancelRequested(), DeadlinePassed(), job=ended) == (
        ended,
        [],
    )


@pytest.mark.parametrize("before", [[], READY[:1], READY], ids=len)
def test_withdrawn_consent_stops_what_has_not_reached_the_vendor(before: list[Fact]) -> None:
    withdrawal = ConsentWithdrawn(NOON + timedelta(minutes=1))
    job, effects = live(*before, withdrawal, withdrawal, SettlementDue())
    assert effects.count(StopRequest()) == (len(before) == len(READY)), "what was given out is called back"
    assert effects[-1] == End(Phase.CANCELLED, CONSENT_WITHDRAWN)
    assert job.phase is Phase.CANCELLED


def test_withdrawn_consent_lets_the_vendor_finish_but_not_begin_again() -> None:
    running, _ = live(*READY, started())
    withdrawn = replace(running, withdrawn_at=NOON + timedelta(minutes=1))
    assert apply(running, ConsentWithdrawn(NOON + timedelta(minutes=1))) == (running, ())
    assert live(succeeded(), job=withdrawn)[1] == [Completion()]
    ended, effects = live(failed(), job=withdrawn)
    assert (effects, ended.amount_due(5)) == ([End(Phase.CANCELLED, CONSENT_WITHDRAWN)], 0)


def test_a_withdrawal_that_overtook_the_request_stops_it_before_the_vendor() -> None:
    _, effects = live(*READY, job=replace(NEW, withdrawn_at=NOON + timedelta(minutes=1)))
    assert effects == [End(Phase.CANCELLED, CONSENT_WITHDRAWN)]


def test_consent_given_after_a_withdrawal_allows_the_later_request() -> None:
    later = replace(NEW, withdrawn_at=NOON - timedelta(minutes=1))
    assert apply(later, ConsentWithdrawn(NOON - timedelta(minutes=1))) == (later, ())
    assert live(*READY, job=later)[1] == [Dispatch(0, 1)]


TWO = replace(NEW, items=(Item(), Item()))
OTHER = Reason("other", "Another reason.")


def test_every_item_is_dispatched_at_once_and_each_has_attempts_of_its_own() -> None:
    facts = (failed(item=1), started(), failed(2, item=1), succeeded(), failed(3, item=1))
    job, effects = live(*READY, *facts, job=TWO)
    assert effects == [Dispatch(0, 1), Dispatch(1, 1), Dispatch(1, 2), Dispatch(1, 3), Completion()]
    assert [item.state for item in job.items] == [ItemState.SUCCEEDED, ItemState.FAILED]
    assert (job.attempt, job.vendor_ms, job.items[1].reason) == (3, 1000, WHY)


def test_a_job_ends_with_its_last_item_and_completes_if_any_succeeded() -> None:
    first, effects = live(*READY, failed(retryable=False), job=TWO)
    assert (first.phase, effects) == (Phase.DISPATCHED, [Dispatch(0, 1), Dispatch(1, 1)])
    assert live(succeeded(item=1), job=first)[1] == [Completion()]


def test_a_job_of_which_nothing_succeeded_fails_for_its_first_items_reason() -> None:
    facts = (failed(item=1, retryable=False, reason=OTHER), failed(retryable=False))
    assert live(*READY, *facts, job=TWO)[1][2:] == [End(Phase.FAILED, WHY)]


def test_a_job_is_running_when_all_that_is_left_of_it_is_at_the_vendor() -> None:
    half, _ = live(*READY, started(), job=TWO)
    assert half.phase is Phase.DISPATCHED
    assert live(started(item=1), job=half)[0].phase is Phase.RUNNING
    assert live(succeeded(item=1), job=half)[0].phase is Phase.RUNNING
    assert live(started(item=1), failed(item=1), job=half)[0].phase is Phase.DISPATCHED


def test_withdrawn_consent_stops_a_job_of_which_an_item_has_not_reached_the_vendor() -> None:
    half, _ = live(*READY, started(), job=TWO)
    withdrawal = ConsentWithdrawn(NOON + timedelta(minutes=1))
    ended, effects = live(withdrawal, failed(item=1, retryable=False), job=half)
    assert effects == [StopRequest(), End(Phase.CANCELLED, CONSENT_WITHDRAWN)]
    assert ended.amount_due(5) == 2, "what the vendor had begun is paid"
    whole, _ = live(started(item=1), job=half)
    assert live(withdrawal, job=whole) == (whole, [])


def test_work_without_a_persons_photo_does_not_depend_on_consent() -> None:
    words = replace(NEW, consent_given_at=None, inputs=())
    assert live(ConsentWithdrawn(NOON), CreditsHeld(), job=words)[1] == [Dispatch(0, 1)]


def test_news_of_an_item_that_the_job_does_not_have_changes_nothing() -> None:
    job, _ = live(*READY)
    assert live(started(item=1), succeeded(item=7), job=job) == (job, [])


@pytest.mark.parametrize(
    ("succeeded", "items", "price", "paid"), [(1, 1, 5, 5), (1, 3, 7, 2), (2, 3, 7, 4), (3, 3, 7, 7)]
)
def test_what_was_not_made_is_not_paid_and_the_rest_is_the_shoppers(
    succeeded: int, items: int, price: int, paid: int
) -> None:
    made = (Item(ItemState.SUCCEEDED),) * succeeded + (Item(ItemState.FAILED),) * (items - succeeded)
    assert replace(NEW, items=made, phase=Phase.COMPLETED).amount_due(price) == paid


@pytest.mark.parametrize(
    ("phase", "paid"), [(Phase.CANCELLED, 4), (Phase.COMPLETED, 2), (Phase.EXPIRED, 0), (Phase.FAILED, 0)]
)
def test_of_a_cancelled_job_also_what_the_vendor_has_begun_is_paid(phase: Phase, paid: int) -> None:
    assert replace(NEW, items=tuple(map(Item, ItemState)), phase=phase).amount_due(11) == paid


def test_a_cancel_ends_at_once_what_the_vendor_has_begun_or_not_been_given() -> None:
    for before in ([], [*READY, started()]):
        job, effects = live(*before, CancelRequested())
        assert (job.phase, effects[-1]) == (Phase.CANCELLED, End(Phase.CANCELLED, CANCELLED_BY_OWNER))
        assert job.amount_due(5) == (5 if before else 0)


@pytest.mark.parametrize(
    ("word", "paid"),
    [(started(), 5), (succeeded(), 5), (failed(), 0), (failed(retryable=False), 0), (SettlementDue(), 0)],
    ids=["started", "succeeded", "failed", "refused", "nothing heard"],
)
def test_a_cancel_waits_for_word_of_what_is_on_its_way_to_the_vendor(word: Fact, paid: int) -> None:
    waiting, effects = live(*READY, CancelRequested(), CancelRequested())
    assert (waiting.phase, effects) == (Phase.DISPATCHED, [Dispatch(0, 1), StopRequest()])
    job, effects = live(word, job=waiting)
    assert (job.phase, effects) == (Phase.CANCELLED, [End(Phase.CANCELLED, CANCELLED_BY_OWNER)])
    assert job.amount_due(5) == paid


def test_a_cancel_waits_for_word_of_every_item_and_tries_none_again() -> None:
    facts = (started(), CancelRequested(), failed(item=1), started(item=2))
    job, effects = live(*GOOD, CreditsHeld(), *facts, job=THREE)
    assert effects[3:] == [StopRequest(), End(Phase.CANCELLED, CANCELLED_BY_OWNER)]
    assert job.amount_due(10) == 6


def test_a_start_that_comes_after_the_end_is_known_as_unpaid() -> None:
    job, _ = live(*READY, CancelRequested(), SettlementDue())
    assert job.is_unpaid_start(0, 1)
    assert not job.is_unpaid_start(0, 2)
    assert not job.is_unpaid_start(7, 1)
    paid, _ = live(*READY, started(), CancelRequested())
    assert not paid.is_unpaid_start(0, 1)


def test_nothing_is_settled_of_what_was_not_cancelled() -> None:
    job, _ = live(*READY)
    assert apply(job, SettlementDue()) == (job, ())


THREE = replace(
    NEW,
    items=(Item(),) * 3,
    inputs=(
        Input(0, "person", "photo"),
        Input(0, "garment", "shirt"),
        Input(1, "person", "photo"),
        Input(1, "garment", "dress"),
        Input(2, "image", "room"),
    ),
)
GOOD: list[Fact] = [InputReady(upload) for upload in ("photo", "shirt", "dress", "room")]


def test_an_item_whose_input_cannot_be_used_fails_alone_and_says_which() -> None:
    job, effects = live(*GOOD[:2], InputRejected("dress", WHY), CreditsHeld(), InputReady("room"), job=THREE)
    assert effects == [Dispatch(0, 1), Dispatch(2, 1)]
    assert job.items[1].reason == Reason("vendor_code", "Item 1, garment: The vendor says no.", role="garment")
    job, effects = live(succeeded(), succeeded(item=2), job=job)
    assert (effects, job.amount_due(9)) == ([Completion()], 6)


def test_an_input_of_several_items_fails_them_all_and_is_no_longer_waited_for() -> None:
    job, effects = live(InputRejected("photo", WHY), CreditsHeld(), InputReady("room"), job=THREE)
    assert effects == [Dispatch(2, 1)]
    assert [item.reason.role if item.reason else None for item in job.items] == ["person", "person", None]
    again = live(InputRejected("photo", WHY), InputRejected("shirt", WHY), InputReady("shirt"), job=job)
    assert again[1] == []
    assert again[0].items == job.items


def test_a_job_all_of_whose_items_lack_an_input_fails_for_the_first_ones() -> None:
    facts = (InputRejected("room", OTHER), InputRejected("dress", OTHER), CreditsHeld(), InputRejected("photo", WHY))
    job, effects = live(*facts, job=THREE)
    assert effects == [End(Phase.FAILED, Reason("vendor_code", "Item 0, person: The vendor says no.", role="person"))]
    assert job.amount_due(9) == 0


def test_every_phase_is_open_or_an_end() -> None:
    assert OPEN_PHASES | {Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED} == set(Phase)
