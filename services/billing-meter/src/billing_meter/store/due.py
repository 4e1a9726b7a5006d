"""What is due by its time: holds, promises, promotions, quotes."""

from collections.abc import Sequence

from closet_messaging.transaction import Connection

from billing_meter.store.movements import JobRef


async def expired_holds(conn: Connection, limit: int) -> list[JobRef]:
    """Holds past their expiry, in the order in which accounts are locked everywhere."""
    rows = await conn.fetch(
        """
        SELECT * FROM (
            SELECT job_id, tenant_id, traceparent FROM holds WHERE state = 'held' AND expires_at <= now()
            ORDER BY expires_at LIMIT $1
        ) due ORDER BY tenant_id COLLATE "C", job_id COLLATE "C"
        """,
        limit,
    )
    return [JobRef(**row) for row in rows]


async def seconds_to_next_expiry(conn: Connection) -> float | None:
    """Seconds until a hold expires; None if nothing is held."""
    seconds: float | None = await conn.fetchval(
        "SELECT extract(epoch FROM min(expires_at) - now())::float8 FROM holds WHERE state = 'held'"
    )
    return seconds


async def expired_promises(conn: Connection, limit: int) -> Sequence[tuple[str, str]]:
    """Promises past their expiry and their tenants, in the order in which accounts are locked everywhere."""
    rows = await conn.fetch(
        """
        SELECT * FROM (
            SELECT promise_id, tenant_id FROM promises WHERE settled_at IS NULL AND expires_at <= now()
            ORDER BY expires_at LIMIT $1
        ) due ORDER BY tenant_id COLLATE "C", promise_id COLLATE "C"
        """,
        limit,
    )
    return [(row["promise_id"], row["tenant_id"]) for row in rows]


async def expired_promotions(conn: Connection, limit: int) -> Sequence[tuple[str, str]]:
    """Tenants and wallets that still have credits of a promotion that has expired."""
    rows = await conn.fetch(
        """
        SELECT tenant_id, account_id FROM balances b WHERE promotional > (
            SELECT coalesce(sum(credits), 0) FROM promotions WHERE wallet = b.account_id AND expires_at > now()
        ) ORDER BY tenant_id COLLATE "C", account_id COLLATE "C" LIMIT $1
        """,
        limit,
    )
    return [(row["tenant_id"], row["account_id"]) for row in rows]


async def forget_quotes(conn: Connection, limit: int) -> int:
    """Delete quotes that expired a day ago or longer, at most so many; how many there were."""
    tag = await conn.execute(
        """
        DELETE FROM quotes WHERE quote_id = ANY (ARRAY(
            SELECT quote_id FROM quotes WHERE expires_at < now() - interval '1 day' LIMIT $1 FOR UPDATE SKIP LOCKED))
        """,
        limit,
    )
    return int(tag.rpartition(" ")[2])


async def forget_work(conn: Connection, limit: int) -> int:
    """Delete what was done with Stripe three months ago or longer, and the copies of its events with it."""
    tag = await conn.execute(
        """
        DELETE FROM stripe_work WHERE work_id = ANY (ARRAY(
            SELECT work_id FROM stripe_work WHERE state IN ('done', 'ignored') AND at < now() - interval '90 days'
            LIMIT $1 FOR UPDATE SKIP LOCKED))
        """,
        limit,
    )
    return int(tag.rpartition(" ")[2])
