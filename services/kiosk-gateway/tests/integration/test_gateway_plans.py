"""What is asked often is answered by index, also by plans that were made while the tables were empty."""

from typing import Any

import pytest
from kiosk_gateway.store.idempotency import RECALL
from kiosk_gateway.store.intake import LOOK_UP
from kiosk_gateway.store.jobs import READ
from kiosk_gateway.store.projection import APPLY


@pytest.mark.parametrize(
    ("sql", "arguments"),
    [(RECALL, 3), (LOOK_UP, 8), (READ, 1), (APPLY, 18)],
    ids=["recall", "look_up", "read", "apply"],
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
