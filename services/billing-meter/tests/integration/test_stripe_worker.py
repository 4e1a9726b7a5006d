"""Work with Stripe as the service does it: claimed by a leased worker, its leases prolonged, tried again in time."""

import asyncio
from contextlib import suppress
from typing import Any

from billing_meter.handlers.stripe import open_topup
from billing_meter.store import stripe_work
from billing_meter.worker.stripe_worker import WORK_ITEMS
from closet_devstack.testing import eventually


async def test_an_item_that_failed_is_tried_again_when_it_is_due_and_not_only_when_the_worker_idles(
    harness: Any,
) -> None:
    """The first retry is due after a second; by itself the worker claims every ten."""
    await harness.sandbox.fault("rate_limited", "/v1/customers")
    topup = await harness.begin(open_topup, "acme", "tenant:acme", 50)
    running = asyncio.create_task(harness.worker.leased_worker().run())

    async def is_open() -> bool:
        sql = "SELECT url IS NOT NULL FROM topups WHERE topup_id = $1"
        return bool(await harness.ledger.pool.fetchval(sql, topup.topup_id))

    try:
        await eventually(is_open, timeout=8)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    attempts, state = await harness.ledger.pool.fetchrow("SELECT attempts, state FROM stripe_work")
    assert (attempts, state) == (2, "done")


async def test_the_lease_of_an_item_in_hand_is_prolonged_and_a_lost_one_is_not(harness: Any) -> None:
    for _ in range(2):
        await harness.begin(open_topup, "acme", "tenant:acme", 50)
    ours, lost = (await harness.worker.claim(8)).items
    pool = harness.ledger.pool
    await pool.execute("UPDATE stripe_work SET due_at = now()")
    async with pool.acquire() as conn:
        assert [item.work_id for item in await stripe_work.claim(conn, 8)] == [ours.work_id, lost.work_id]
    await pool.execute("UPDATE stripe_work SET due_at = now(), attempts = $2 WHERE work_id = $1", ours.work_id, 1)
    await pool.execute("UPDATE stripe_work SET due_at = now() WHERE work_id = $1", lost.work_id)
    await harness.worker.renew([ours, lost])
    later = "SELECT work_id FROM stripe_work WHERE due_at > now() + interval '80 s'"
    assert [row["work_id"] for row in await pool.fetch(later)] == [ours.work_id]


async def test_work_that_needs_a_person_is_measured(harness: Any) -> None:
    await harness.begin(open_topup, "acme", "tenant:acme", 50)
    await harness.ledger.pool.execute("UPDATE stripe_work SET state = 'doubtful'")
    await harness.step()
    (gauge,) = WORK_ITEMS.collect()
    values = {(one.labels["kind"], one.labels["state"]): one.value for one in gauge.samples}
    assert (values["checkout", "ambiguous"], values["checkout", "due"]) == (1, 0)
