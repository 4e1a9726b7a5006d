"""Money that goes back and comes again: the credits follow it, each at most once, in any order, told repeatedly."""

from typing import Any

import pytest
from billing_meter.handlers.stripe import open_topup

GIVEN = 500


async def paid(office: Any, credits: int = GIVEN) -> str:
    """A top-up that was paid for; the payment's id. Every event comes three times from now on."""
    await office.sandbox.change(repeat_webhooks=2, largest_page=1)
    await office.begin(open_topup, "acme", "tenant:acme", credits)
    await office.work()
    await office.sandbox.pay((await office.sandbox.objects("checkout.session"))[-1]["id"])
    await told(office)
    return str((await office.sandbox.objects("payment_intent"))[-1]["id"])


async def told(office: Any) -> None:
    """All events of Stripe's have come and are done, and done once more."""
    await office.heard((await office.sandbox.stats())["events"])
    await office.counter.pool.execute(
        "UPDATE stripe_work SET state = 'due', due_at = now() WHERE kind = 'event' AND state = 'done'"
    )
    await office.work()


async def balance(office: Any) -> int:
    """The wallet's, and nothing of it is held; the books add up."""
    found, held = await office.counter.stands()
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
async def test_credits_follow_a_dispute(office: Any, statuses: list[str], expected: list[int]) -> None:
    payment = await paid(office)
    dispute, found = await office.sandbox.dispute(payment, 1000, statuses[0]), []
    for status in statuses:
        if status != statuses[0]:
            await office.sandbox.set_dispute(dispute, status)
        await told(office)
        found.append(await balance(office))
    assert found == expected


@pytest.mark.parametrize("status", ["failed", "canceled"])
async def test_a_refund_that_does_not_arrive_gives_its_credits_back(office: Any, status: str) -> None:
    payment = await paid(office)
    first, second = [await office.stripe.refund(f"re-{cents}", payment, cents) for cents in (1000, 500)]
    await told(office)
    assert await balance(office) == GIVEN - 150
    await office.sandbox.set_refund(first, status)
    await told(office)
    assert await balance(office) == GIVEN - 50
    await office.sandbox.set_refund(second, status)
    await told(office)
    assert await balance(office) == GIVEN


async def test_a_dispute_after_a_refund_takes_no_more_than_was_given(office: Any) -> None:
    payment = await paid(office)
    refund = await office.stripe.refund("re-1", payment, 3000)
    dispute = await office.sandbox.dispute(payment, 5000)
    await told(office)
    assert await balance(office) == 0
    await office.sandbox.set_dispute(dispute, "won")
    await told(office)
    assert await balance(office) == GIVEN - 300
    await office.sandbox.set_refund(refund, "failed")
    await told(office)
    assert await balance(office) == GIVEN


async def test_what_was_spent_meanwhile_is_not_given_back(office: Any, new_job: Any) -> None:
    """500 were given and 5 spent: a dispute takes 495, and 495 come back."""
    payment = await paid(office)
    job = new_job()
    await office.counter.take(job.accepted(), job.completed())
    dispute = await office.sandbox.dispute(payment, 5000)
    await told(office)
    assert await balance(office) == 0
    await office.sandbox.set_dispute(dispute, "won")
    await told(office)
    assert await balance(office) == GIVEN - 5


async def test_events_that_come_backwards_end_where_they_should(office: Any) -> None:
    payment = await paid(office)
    await office.sandbox.change(reverse_webhooks=True)
    dispute = await office.sandbox.dispute(payment, 1000)
    refund = await office.stripe.refund("re-1", payment, 500)
    await office.sandbox.set_dispute(dispute, "won")
    await office.sandbox.set_refund(refund, "failed")
    assert await office.sandbox.release_webhooks() == 7
    await told(office)
    assert await balance(office) == GIVEN


async def test_an_answer_that_was_asked_for_earlier_does_not_undo_a_later_one(office: Any) -> None:
    """Two replicas look into two events; the one that asked first writes last."""
    payment = await paid(office)
    dispute = await office.sandbox.dispute(payment, 1000)
    await told(office)
    await office.sandbox.set_dispute(dispute, "won")
    await told(office)
    await office.sandbox.set_dispute(dispute, "lost")
    pool = office.counter.pool
    await pool.execute("UPDATE topups SET money_seen_at = now() + interval '1 hour'")
    await told(office)
    assert await balance(office) == GIVEN
