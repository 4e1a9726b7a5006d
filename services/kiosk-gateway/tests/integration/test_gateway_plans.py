"""What is asked often is answered by index, also by plans that were made while the tables were empty."""

from typing import Any

import pytest
from kiosk_gateway.domain.jobs import Status
from kiosk_gateway.store.idempotency import FIND_ANSWERS
from kiosk_gateway.store.intake import READ_FACTS
from kiosk_gateway.store.jobs import PAGE, PAGE_OF_STATUS, READ, page
from kiosk_gateway.store.projection import APPLY_CHANGE


@pytest.mark.parametrize(
    ("sql", "arguments"),
    [(FIND_ANSWERS, 3), (READ_FACTS, 8), (READ, 1), (APPLY_CHANGE, 20), (PAGE, 4), (PAGE_OF_STATUS, 5)],
    ids=["find_answers", "read_facts", "read", "apply", "page", "page_of_status"],
)
async def test_no_plan_reads_a_whole_table(pool: Any, sql: str, arguments: int) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await conn.execute(f"PREPARE asked AS {sql}")
        rows = await conn.fetch(f"EXPLAIN EXECUTE asked({', '.join(['NULL'] * arguments)})")
        await conn.execute("DEALLOCATE asked")
    plan = "\n".join(row[0] for row in rows)
    assert "Index" in plan
    assert "Seq Scan" not in plan, plan


async def test_a_rare_status_is_found_by_index_among_a_hundred_thousand_jobs(pool: Any) -> None:
    await pool.execute(
        """
        INSERT INTO jobs (
            job_id, tenant_id, user_id, kind, credits, usd_cents, created_at, deadline, status, updated_at, ended_at,
            events
        )
        SELECT 'job_' || lpad(to_hex(n), 32, '0'), 'acme', 'u-1', 'tryon', 5, 50, now(), now(),
            CASE WHEN n % 50000 = 7 THEN 'expired' ELSE 'completed' END, now(), now(), 1
        FROM generate_series(1, 100000) n
        """
    )
    await pool.execute("ANALYZE jobs")
    async with pool.acquire() as conn:
        found = await page(conn, "acme", "u-1", before=None, status=Status.EXPIRED, limit=20)
        rows = await conn.fetch(
            f"EXPLAIN (FORMAT TEXT, ANALYZE) {PAGE_OF_STATUS}", "acme", "u-1", "job_g", 20, "expired"
        )
    assert [int(job.job_id[4:], 16) for job in found] == [50007, 7]
    plan = "\n".join(row[0] for row in rows)
    assert "jobs_of_user_by_status" in plan, plan
    assert "Rows Removed" not in plan, plan
    assert "Sort" not in plan, plan
