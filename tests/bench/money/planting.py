"""A day's sound ledger with differences planted into it, each of another kind."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from billing_meter.adapters.stripe import Stripe
from billing_meter.domain.movements import Hold, Receipt, ReceiptKind, wallet_of
from billing_meter.domain.stripe_objects import Usage
from billing_meter.store import movements
from billing_meter.store.movements import JobRef
from closet_chassis.postgres import Pool
from closet_contracts.ids import new_id

YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date()
NOON = datetime.combine(YESTERDAY, time(12), UTC)
PRICE = 5
SOUND_JOBS = 40


@dataclass
class LedgerDay:
    """The ledger of two metered tenants, and the usage that Stripe was sent."""

    pool: Pool
    stripe: Stripe
    customers: dict[str, str] = field(default_factory=dict)
    planted: set[tuple[str, str]] = field(default_factory=set)

    async def fill(self) -> None:
        """Customers, credits, and jobs that ended every way, with nothing wrong."""
        for tenant in ("acme", "zara"):
            self.customers[tenant] = await self.stripe.create_customer(tenant)
            async with self.pool.acquire() as conn:
                receipt = Receipt(ReceiptKind.GRANT, f"receipt:{tenant}", tenant, wallet_of(tenant), 10_000, "planter")
                await movements.receive(conn, receipt)
            await self.run("INSERT INTO customers VALUES ($1, $2)", tenant, self.customers[tenant])
        await self.run("UPDATE customers SET metered_since = $1", NOON - timedelta(days=2))
        for number in range(SOUND_JOBS):
            tenant = "acme" if number % 2 else "zara"
            await (self.paid(tenant) if number % 4 else self.failed(tenant))

    async def run(self, sql: str, *args: object) -> None:
        await self.pool.execute(sql, *args)

    async def paid(self, tenant: str = "acme", *, sent: bool = True) -> str:
        """A job from its hold to the meter."""
        job_id = await self.held(tenant)
        async with self.pool.acquire() as conn:
            await movements.capture(conn, JobRef(job_id, tenant, None), PRICE)
        await self.run("UPDATE holds SET settled_at = $2 WHERE job_id = $1", job_id, NOON)
        await self.ended(job_id, tenant, "completed")
        await self.rendered(job_id, tenant)
        await self.used(job_id, tenant, sent=sent)
        return job_id

    async def failed(self, tenant: str = "acme") -> str:
        """A job that was given back."""
        job_id = await self.held(tenant)
        async with self.pool.acquire() as conn:
            await movements.release(conn, JobRef(job_id, tenant, None), "failed")
        await self.run("UPDATE holds SET settled_at = $2 WHERE job_id = $1", job_id, NOON)
        await self.ended(job_id, tenant, "failed")
        return job_id

    async def held(self, tenant: str = "acme") -> str:
        job_id = new_id("job")
        async with self.pool.acquire() as conn:
            await movements.hold(conn, Hold(job_id, tenant, wallet_of(tenant), PRICE, NOON + timedelta(days=9)))
        return job_id

    async def ended(self, job_id: str, tenant: str, phase: str, credits: int = PRICE) -> None:
        charged = credits if phase == "completed" else 0
        await self.run("INSERT INTO job_ends VALUES ($1, $2, $3, $4, $5)", job_id, tenant, phase, charged, NOON)

    async def rendered(self, job_id: str, tenant: str, calls: int = 2) -> str:
        render_id = f"{job_id}.0.1"
        sql = "INSERT INTO job_renders VALUES ($1, $2, $3, true, $4, $5)"
        await self.run(sql, render_id, job_id, tenant, calls, NOON)
        return render_id

    async def used(self, job_id: str, tenant: str, credits: int = PRICE, *, sent: bool = True) -> None:
        """Usage in our ledger, which Stripe was sent or not."""
        await self.run(
            """INSERT INTO stripe_work (work_id, kind, tenant_id, body, at, state)
            VALUES ($1, 'usage', $2, $3, $4, $5)""",
            job_id,
            tenant,
            {"credits": credits},
            NOON,
            "done" if sent else "failed",
        )
        if sent:
            await self.stripe.send_usage(job_id, Usage(job_id, self.customers[tenant], credits, NOON))

    async def plant(self) -> None:
        """One difference of each kind."""
        for kind, plant in PLANTS.items():
            self.planted.add((kind, await plant(self)))


async def _job_not_captured(ledger: LedgerDay) -> str:
    job_id = new_id("job")
    await ledger.ended(job_id, "acme", "completed")
    await ledger.rendered(job_id, "acme")
    return job_id


async def _job_lost(ledger: LedgerDay) -> str:
    job_id = await _job_not_captured(ledger)
    await ledger.run("INSERT INTO losses VALUES ($1, 'acme', 5, 'released', $2)", job_id, NOON)
    return job_id


async def _capture_of_no_job(ledger: LedgerDay) -> str:
    job_id = await ledger.paid()
    await ledger.run("DELETE FROM job_ends WHERE job_id = $1", job_id)
    await ledger.run("DELETE FROM job_renders WHERE job_id = $1", job_id)
    return job_id


async def _capture_differs(ledger: LedgerDay) -> str:
    job_id = await ledger.paid()
    await ledger.run("UPDATE job_ends SET credits = 6 WHERE job_id = $1", job_id)
    return job_id


async def _capture_not_booked(ledger: LedgerDay) -> str:
    job_id = new_id("job")
    await ledger.run(
        """INSERT INTO holds (job_id, tenant_id, wallet, credits, captured, state, settled_at)
        VALUES ($1, 'acme', 'tenant:acme', 5, 5, 'captured', $2)""",
        job_id,
        NOON,
    )
    await ledger.ended(job_id, "acme", "completed")
    await ledger.rendered(job_id, "acme")
    await ledger.used(job_id, "acme")
    return job_id


async def _hold_not_released(ledger: LedgerDay) -> str:
    job_id = await ledger.held()
    await ledger.ended(job_id, "acme", "expired")
    return job_id


async def _job_without_render(ledger: LedgerDay) -> str:
    job_id = await ledger.paid()
    await ledger.run("DELETE FROM job_renders WHERE job_id = $1", job_id)
    return job_id


async def _render_of_no_job(ledger: LedgerDay) -> str:
    return await ledger.rendered(new_id("job"), "acme")


async def _render_without_calls(ledger: LedgerDay) -> str:
    job_id = await ledger.paid()
    await ledger.run("UPDATE job_renders SET vendor_calls = 0 WHERE job_id = $1", job_id)
    return f"{job_id}.0.1"


async def _usage_missing(ledger: LedgerDay) -> str:
    job_id = await ledger.paid(sent=False)
    await ledger.run("DELETE FROM stripe_work WHERE work_id = $1", job_id)
    return job_id


async def _usage_differs(ledger: LedgerDay) -> str:
    job_id = await ledger.paid(sent=False)
    await ledger.run("DELETE FROM stripe_work WHERE work_id = $1", job_id)
    await ledger.used(job_id, "acme", 7)
    return job_id


async def _usage_not_sent(ledger: LedgerDay) -> str:
    return await ledger.paid(sent=False)


async def _meter_differs(ledger: LedgerDay) -> str:
    """Somebody else sent Stripe usage of our customer."""
    customer_id = ledger.customers["zara"]
    await ledger.stripe.send_usage("strange", Usage("strange", customer_id, 3, NOON))
    return customer_id


async def _payment_not_booked(ledger: LedgerDay) -> str:
    topup_id = new_id("top")
    await ledger.run(
        """INSERT INTO topups (topup_id, tenant_id, wallet, credits, usd_cents, automatic, state, settled_at)
        VALUES ($1, 'acme', 'tenant:acme', 100, 1000, false, 'paid', $2)""",
        topup_id,
        NOON,
    )
    return topup_id


async def _event_not_done(ledger: LedgerDay) -> str:
    await ledger.run(
        "INSERT INTO stripe_work (work_id, kind, body, at, state) VALUES ('evt_lost', 'event', '{}', $1, 'failed')",
        NOON,
    )
    return "evt_lost"


async def _balance_mismatch(ledger: LedgerDay) -> str:
    await ledger.run("UPDATE balances SET balance = balance + 1 WHERE account_id = 'tenant:zara'")
    return "tenant:zara"


PLANTS: dict[str, Callable[[LedgerDay], Awaitable[str]]] = {
    "job_not_captured": _job_not_captured,
    "job_lost": _job_lost,
    "capture_of_no_job": _capture_of_no_job,
    "capture_differs": _capture_differs,
    "capture_not_booked": _capture_not_booked,
    "hold_not_released": _hold_not_released,
    "job_without_render": _job_without_render,
    "render_of_no_job": _render_of_no_job,
    "render_without_calls": _render_without_calls,
    "usage_missing": _usage_missing,
    "usage_differs": _usage_differs,
    "usage_not_sent": _usage_not_sent,
    "meter_differs": _meter_differs,
    "payment_not_booked": _payment_not_booked,
    "event_not_done": _event_not_done,
    "balance_mismatch": _balance_mismatch,
}
