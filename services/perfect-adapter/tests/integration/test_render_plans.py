from closet_chassis.postgres import Pool
from perfect_adapter.store.renders import DROPS_OF_ENDED_JOBS


async def test_the_sweep_reads_open_renders_only(pool: Pool) -> None:
    """However many have ended: it runs every other second."""
    await pool.execute(
        """
        INSERT INTO renders
            (render_id, job_id, attempt, tenant_id, work, inputs, rank, deadline, cause_id, state, ended_at)
        SELECT 'job_' || n || '.1', 'job_' || n, 1, 't', '{}', '{}', 1, now(), gen_random_uuid(), 'done', now()
        FROM generate_series(1, 5000) n
        """
    )
    await pool.execute("ANALYZE renders")
    for statement in DROPS_OF_ENDED_JOBS:
        plan = "\n".join(row[0] for row in await pool.fetch(f"EXPLAIN {statement}"))
        assert "Seq Scan on renders" not in plan
