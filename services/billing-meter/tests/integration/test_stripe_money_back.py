"""Money that goes back and comes again: the credits follow it, each at most once, in any order, told repeatedly."""

from typing import Any

import pytest
from billing_meter.handlers.stripe import open_topup

GIVEN = 500


async def paid(harness: Any, credits: int = GIVEN) -> str:
    """A top-up that was paid for; the payment's id. Every event comes three times from now on."""
    await harness.sandbox.change(repeat_webhooks=2, largest_page=1)
    await harness.begin(open_topup, "acme", "tenant:acme", credits)
    await harness.work()
    await harness.sandbox.pay((await harness.sandbox.objects("checkout.session"))[-1]["id"])
    await told(harness)
    return str((await harness.sandbox.objects("payment_intent"))[-1]["id"])


async def told(harness: Any) -> None:
    """All events of Stripe's have come and are done, and done once more."""
    await harness.work_after((await harness.sandbox.stats())["events"])
    await harness.ledger.pool.execute(
        "UPDATE stripe_work SET state = 'due', due_at = now() WHERE kind = 'event' AND state = 'done'"
    )
    await harness.work()


async def balance(harness: Any) -> int:
    """The wallet's, and nothing of it is held; the books add up."""
    found, held = await harness.ledger.read_balance()
    assert held == 0
    return int(found)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["needs_response", "won"], [400, 500]),
        (["needs_response", "under_review", "won"], [400, 400, 500]),
        (["needs_response", "lost"], [400, 400]),
        (["warning_needs_response", "warning_under_review", "warning_closed"], [500, 500, 500]),
        (["warning_needs_response", "needs_response", "won"], [500, 400, 500]),
        (["prevented"], [500]),
        (["needs_response", "won", "lost", "won"], [400, 500, 400, 500]),
    ],
    ids=lambda value: "-".join(map(str, value)),
)
async def test_credits_follow_a_dispute(harness: Any, statuses: list[str], expected: list[int]) -> None:
    payment = await paid(harness)
    dispute, found = await harness.sandbox.dispute(payment, 1000, statuses[0]), []
    for status in statuses:
        if status != statuses[0]:
            await harness.sandbox.set_dispute(dispute, status)
        await told(harness)
        found.append(await balance(harness))
    assert found == expected


@pytest.mark.parametrize("status", ["failed", "canceled"])
async def test_a_refund_that_does_not_arrive_gives_its_credits_back(harness: Any, status: str) -> None:
    payment = await paid(harness)
    first, second = [await harness.stripe.refund(f"re-{cents}", payment, cents) for cents in (1000, 500)]
    await told(harness)
    assert await balance(harness) == GIVEN - 150
    await harness.sandbox.set_refund(first, status)
    await told(harness)
    assert await balance(harness) == GIVEN - 50
    await harness.sandbox.set_refund(second, status)
    await told(harness)
    assert await balance(harness) == GIVEN


async def test_a_dispute_after_a_refund_takes_no_more_than_was_given(harness: Any) -> None:
    payment = await paid(harness)
    refund = await harness.stripe.refund("re-1", payment, 3000)
    dispute = await harness.sandbox.dispute(payment, 5000)
    await told(harness)
    assert await balance(harness) == 0
    await harness.sandbox.set_dispute(dispute, "won")
    await told(harness)
    assert await balance(harness) == GIVEN - 300
    await harness.sandbox.set_refund(refund, "failed")
    await told(harness)
    assert await balance(harness) == GIVEN


async def test_what_was_spent_meanwhile_is_not_given_back(harness: Any, new_job: Any) -> None:
    """500 were given and 5 spent: a dispute takes 495, and 495 come back."""
    payment = await paid(harness)
    job = new_job()
    await harness.ledger.handle(job.accepted(), job.completed())
    dispute = await harness.sandbox.dispute(payment, 5000)
    await told(harness)
    assert await balance(harness) == 0
    await harness.sandbox.set_dispute(dispute, "won")
    await told(harness)
    assert await balance(harness) == GIVEN - 5


async def test_events_that_come_backwards_end_where_they_should(harness: Any) -> None:
    payment = await paid(harness)
    await harness.sandbox.change(reverse_webhooks=True)
    dispute = await harness.sandbox.dispute(payment, 1000)
    refund = await harness.stripe.refund("re-1", payment, 500)
    await harness.sandbox.set_dispute(dispute, "won")
    await harness.sandbox.set_refund(refund, "failed")
    assert await harness.sandbox.release_webhooks() == 7
    await told(harness)
    assert await balance(harness) == GIVEN


async def test_an_answer_that_was_asked_for_earlier_does_not_undo_a_later_one(harness: Any) -> None:
    """Two replicas look into two events; the one that asked first writes last."""
    payment = await paid(harness)
    dispute = await harness.sandbox.dispute(payment, 1000)
    await told(harness)
    await harness.sandbox.set_dispute(dispute, "won")
    await told(harness)
    await harness.sandbox.set_dispute(dispute, "lost")
    pool = harness.ledger.pool
    await pool.execute("UPDATE topups SET money_seen_at = now() + interval '1 hour'")
    await told(harness)
    assert await balance(harness) == GIVEN
