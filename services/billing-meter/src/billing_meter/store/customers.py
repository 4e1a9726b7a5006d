"""Our customers at Stripe."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from closet_messaging.transaction import Connection

from billing_meter.domain.stripe import Subscription, is_overdue, suspended_from

_ENDED = frozenset({"canceled", "incomplete_expired"})


@dataclass(frozen=True, slots=True)
class Customer:
    """A tenant at Stripe."""

    tenant_id: str
    customer_id: str | None
    payment_method_id: str | None
    subscription_id: str | None
    status: str | None
    price_id: str | None
    overdue_since: datetime | None
    metered_since: datetime | None


@dataclass(frozen=True, slots=True)
class Thirsty:
    """A wallet that has less than its tenant wants it to have, and what to buy."""

    tenant_id: str
    wallet: str
    credits: int


async def of_tenant(conn: Connection, tenant_id: str) -> Customer | None:
    """The tenant at Stripe; None if it has nothing to do with it."""
    return await _one(conn, f"{_SELECT} WHERE tenant_id = $1", tenant_id)


async def of_customer(conn: Connection, customer_id: str) -> Customer | None:
    """The tenant that is that customer."""
    return await _one(conn, f"{_SELECT} WHERE customer_id = $1", customer_id)


async def metered(conn: Connection) -> Sequence[Customer]:
    """Those whose usage is told to Stripe's meter."""
    return [
        Customer(**row)
        for row in await conn.fetch(f"{_SELECT} WHERE metered_since IS NOT NULL AND customer_id IS NOT NULL")
    ]


async def put_customer(conn: Connection, tenant_id: str, customer_id: str) -> None:
    """The tenant is that customer."""
    await conn.execute(
        """INSERT INTO customers (tenant_id, customer_id) VALUES ($1, $2)
        ON CONFLICT (tenant_id) DO UPDATE SET customer_id = excluded.customer_id""",
        tenant_id,
        customer_id,
    )


async def set_metered(conn: Connection, tenant_id: str, *, on: bool) -> None:
    """Tell Stripe's meter of the tenant's captures from now on, or no more."""
    await conn.execute(
        """
        INSERT INTO customers (tenant_id, metered_since) VALUES ($1, CASE WHEN $2 THEN now() END)
        ON CONFLICT (tenant_id)
        DO UPDATE SET metered_since = CASE WHEN $2 THEN coalesce(customers.metered_since, now()) END
        """,
        tenant_id,
        on,
    )


async def set_automatic_topup(conn: Connection, tenant_id: str, below: int | None, credits: int | None) -> None:
    """Buy so many credits when less than `below` is available; with None, no more."""
    await conn.execute(
        """
        INSERT INTO customers (tenant_id, topup_below, topup_credits) VALUES ($1, $2, $3) ON CONFLICT (tenant_id)
        DO UPDATE SET topup_below = excluded.topup_below, topup_credits = excluded.topup_credits
        """,
        tenant_id,
        below,
        credits,
    )


async def put_method(conn: Connection, tenant_id: str, method_id: str) -> None:
    """Automatic top-ups are paid with that method from now on."""
    await conn.execute("UPDATE customers SET payment_method_id = $2 WHERE tenant_id = $1", tenant_id, method_id)


async def put_subscription(conn: Connection, found: Subscription, grace: timedelta) -> None:
    """The tenant's subscription as it stands now, and what follows for its holds. An old one's end changes nothing."""
    customer = await _one(conn, f"{_SELECT} WHERE customer_id = $1 FOR UPDATE", found.customer_id)
    if customer is None or (found.status in _ENDED and customer.subscription_id not in {None, found.subscription_id}):
        return
    overdue_since = await conn.fetchval(
        """
        UPDATE customers SET subscription_id = $2, status = $3, price_id = $4,
            overdue_since = CASE WHEN $5 THEN coalesce(overdue_since, now()) END
        WHERE tenant_id = $1 RETURNING overdue_since
        """,
        customer.tenant_id,
        found.subscription_id,
        found.status,
        found.price_id,
        is_overdue(found.status),
    )
    await conn.execute(
        "UPDATE balances SET suspended_from = $2 WHERE account_id = 'tenant:' || $1",
        customer.tenant_id,
        suspended_from(found.status, overdue_since, grace),
    )


async def suspension(conn: Connection, tenant_id: str) -> datetime | None:
    """From when nothing new is held for the tenant; None if it is not overdue."""
    since: datetime | None = await conn.fetchval(
        "SELECT suspended_from FROM balances WHERE account_id = 'tenant:' || $1", tenant_id
    )
    return since


async def thirsty(conn: Connection, limit: int) -> Sequence[Thirsty]:
    """Those who want a top-up and have a way to pay for it. After a failed one they wait for a day."""
    rows = await conn.fetch(
        """
        SELECT c.tenant_id, b.account_id AS wallet, c.topup_credits AS credits
        FROM customers c JOIN balances b ON b.account_id = 'tenant:' || c.tenant_id
        WHERE c.payment_method_id IS NOT NULL AND b.balance - b.held < c.topup_below AND NOT EXISTS (
            SELECT FROM topups t WHERE t.wallet = b.account_id AND t.automatic
                AND (t.state = 'open' OR (t.state = 'failed' AND t.settled_at > now() - interval '1 day')))
        LIMIT $1
        """,
        limit,
    )
    return [Thirsty(**row) for row in rows]


async def _one(conn: Connection, sql: str, key: str) -> Customer | None:
    row = await conn.fetchrow(sql, key)
    return Customer(**row) if row else None


_SELECT = """
    SELECT tenant_id, customer_id, payment_method_id, subscription_id, status, price_id, overdue_since, metered_since
    FROM customers
"""
