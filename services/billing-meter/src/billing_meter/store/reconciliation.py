"""What two records say of the same thing, side by side: every row found is a difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from closet_contracts.rpc import Difference, Reconciliation
from closet_messaging.transaction import Connection


class Period(NamedTuple):
    """From when, and until when (what happened later may not have been heard of in full)."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class MeteredCustomer:
    """What Stripe was told of a customer in a period, in credits."""

    tenant_id: str
    customer_id: str
    told: int


async def differences(conn: Connection, period: Period) -> list[Difference]:
    """Everything in our own database that does not fit."""
    return [
        Difference(kind=kind, **row)
        for kind, sql in _CHECKS.items()
        for row in await conn.fetch(sql, *(period if "$1" in sql else ()))
    ]


async def compared(conn: Connection, period: Period) -> dict[str, int]:
    """How much there was to compare."""
    row = await conn.fetchrow(_COMPARED, *period)
    return dict(row) if row else {}


async def metered(conn: Connection, period: Period) -> Sequence[MeteredCustomer]:
    """Every customer that Stripe meters, and what it was told."""
    return [MeteredCustomer(**row) for row in await conn.fetch(_METERED, *period)]


async def keep(conn: Connection, found: Reconciliation) -> None:
    """The last comparison of a day is the one that is kept."""
    await conn.execute(
        """
        INSERT INTO reconciliations (day, at, compared, differences) VALUES ($1, $2, $3, $4)
        ON CONFLICT (day)
        DO UPDATE SET at = excluded.at, compared = excluded.compared, differences = excluded.differences
        """,
        found.day,
        found.at,
        found.compared,
        [one.model_dump(mode="json") for one in found.differences],
    )


async def is_kept(conn: Connection, day: date) -> bool:
    """Whether that day has been compared."""
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM reconciliations WHERE day = $1)", day))


_COMPARED = """
    SELECT
        (SELECT count(*) FROM job_ends WHERE phase = 'completed' AND ended_at >= $1 AND ended_at < $2) AS completed,
        (SELECT count(*) FROM holds WHERE state = 'captured' AND settled_at >= $1 AND settled_at < $2) AS captured,
        (SELECT count(*) FROM job_renders WHERE ended_at >= $1 AND ended_at < $2) AS renders,
        (SELECT coalesce(sum(vendor_calls), 0) FROM job_renders WHERE ended_at >= $1 AND ended_at < $2) AS vendor_calls,
        (SELECT count(*) FROM stripe_work WHERE kind = 'usage' AND at >= $1 AND at < $2) AS usages
"""
_METERED = """
    SELECT c.tenant_id, c.customer_id, coalesce(sum((w.body ->> 'credits')::bigint), 0)::bigint AS told
    FROM customers c LEFT JOIN stripe_work w
        ON w.kind = 'usage' AND w.tenant_id = c.tenant_id AND w.state = 'done' AND w.at >= $1 AND w.at < $2
    WHERE c.metered_since < $2 AND c.customer_id IS NOT NULL GROUP BY c.tenant_id, c.customer_id
"""
_CHECKS: Mapping[str, str] = {
    # Delivered, or begun and then cancelled, and neither charged nor noted as lost.
    "job_not_captured": """
        SELECT e.job_id AS id, e.tenant_id, e.credits AS expected, coalesce(h.captured, 0) AS found
        FROM job_ends e LEFT JOIN holds h USING (job_id)
        WHERE e.phase IN ('completed', 'cancelled') AND e.credits > 0 AND e.ended_at >= $1 AND e.ended_at < $2
            AND h.state IS DISTINCT FROM 'captured' AND NOT EXISTS (SELECT FROM losses WHERE job_id = e.job_id)
    """,
    "job_lost": """
        SELECT job_id AS id, tenant_id, credits AS expected, 0::bigint AS found FROM losses WHERE at >= $1 AND at < $2
    """,
    "capture_of_no_job": """
        SELECT h.job_id AS id, h.tenant_id, 0::bigint AS expected, h.captured AS found
        FROM holds h LEFT JOIN job_ends e
            ON e.job_id = h.job_id AND (e.phase = 'completed' OR e.phase = 'cancelled' AND e.credits > 0)
        WHERE h.state = 'captured' AND h.settled_at >= $1 AND h.settled_at < $2 AND e.job_id IS NULL
    """,
    "capture_differs": """
        SELECT h.job_id AS id, h.tenant_id, e.credits AS expected, h.captured AS found
        FROM holds h JOIN job_ends e USING (job_id)
        WHERE h.state = 'captured' AND h.settled_at >= $1 AND h.settled_at < $2
            AND e.phase IN ('completed', 'cancelled') AND e.credits <> h.captured
    """,
    "capture_not_booked": """
        SELECT h.job_id AS id, h.tenant_id, h.captured AS expected, coalesce(b.booked, 0) AS found
        FROM holds h LEFT JOIN LATERAL (
            SELECT sum(amount)::bigint AS booked FROM transactions t JOIN entries e USING (transaction_id)
            WHERE t.cause = h.job_id AND t.kind = 'capture' AND e.account_id IN ('revenue', 'house')
        ) b ON true
        WHERE h.state = 'captured' AND h.settled_at >= $1 AND h.settled_at < $2 AND coalesce(b.booked, 0) <> h.captured
    """,
    "hold_not_released": """
        SELECT h.job_id AS id, h.tenant_id, 0::bigint AS expected, h.credits AS found
        FROM job_ends e JOIN holds h USING (job_id)
        WHERE e.phase <> 'completed' AND e.ended_at >= $1 AND e.ended_at < $2 AND h.state = 'held'
    """,
    "job_without_render": """
        SELECT e.job_id AS id, e.tenant_id, 1::bigint AS expected, 0::bigint AS found FROM job_ends e
        WHERE e.phase = 'completed' AND e.ended_at >= $1 AND e.ended_at < $2
            AND NOT EXISTS (SELECT FROM job_renders r WHERE r.job_id = e.job_id AND r.succeeded)
    """,
    # The vendor was paid for nobody's job. Jobs of many tasks end some time after the first of them.
    "render_of_no_job": """
        SELECT r.render_id AS id, r.tenant_id, 0::bigint AS expected, r.vendor_calls::bigint AS found FROM job_renders r
        WHERE r.succeeded AND r.ended_at >= $1 AND r.ended_at < least($2, now() - interval '1 hour')
            AND NOT EXISTS (SELECT FROM job_ends e WHERE e.job_id = r.job_id)
    """,
    "render_without_calls": """
        SELECT render_id AS id, tenant_id, 1::bigint AS expected, vendor_calls::bigint AS found FROM job_renders
        WHERE succeeded AND vendor_calls = 0 AND ended_at >= $1 AND ended_at < $2
    """,
    "usage_missing": """
        SELECT h.job_id AS id, h.tenant_id, h.captured AS expected, 0::bigint AS found
        FROM holds h JOIN customers c ON c.tenant_id = h.tenant_id AND h.settled_at >= c.metered_since
        WHERE h.state = 'captured' AND h.captured > 0 AND h.settled_at >= $1 AND h.settled_at < $2
            AND NOT EXISTS (SELECT FROM stripe_work w WHERE w.work_id = h.job_id AND w.kind = 'usage')
    """,
    "usage_differs": """
        SELECT w.work_id AS id, w.tenant_id, coalesce(h.captured, 0) AS expected,
            (w.body ->> 'credits')::bigint AS found
        FROM stripe_work w LEFT JOIN holds h ON h.job_id = w.work_id
        WHERE w.kind = 'usage' AND w.at >= $1 AND w.at < $2
            AND coalesce(h.captured, 0) <> (w.body ->> 'credits')::bigint
    """,
    "usage_not_told": """
        SELECT work_id AS id, tenant_id, (body ->> 'credits')::bigint AS expected, 0::bigint AS found FROM stripe_work
        WHERE kind = 'usage' AND state <> 'done' AND at >= $1 AND at < $2
    """,
    "payment_not_booked": """
        SELECT p.topup_id AS id, p.tenant_id, p.credits AS expected, 0::bigint AS found FROM topups p
        WHERE p.state = 'paid' AND p.settled_at >= $1 AND p.settled_at < $2
            AND NOT EXISTS (SELECT FROM transactions t WHERE t.kind = 'topup' AND t.cause = 'topup:' || p.topup_id)
    """,
    "event_not_done": """
        SELECT work_id AS id, tenant_id, 1::bigint AS expected, 0::bigint AS found FROM stripe_work
        WHERE kind = 'event' AND state IN ('failed', 'doubtful') AND at >= $1 AND at < $2
    """,
    "balance_astray": """
        SELECT account_id AS id, NULL AS tenant_id, entries_balance AS expected, balance AS found FROM balances_astray
    """,
}
