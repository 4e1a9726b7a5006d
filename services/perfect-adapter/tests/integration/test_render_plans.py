import asyncpg
from closet_chassis.postgres import Pool
from perfect_adapter.renders.recovery import DROPS_OF_ENDED_JOBS


async def test_the_sweep_reads_open_renders_only(pool: Pool, owner_url: str) -> None:
    """However many have ended: it runs every other second."""
    await pool.execute(
        """
        INSERT INTO renders
            (render_id, job_id, item, attempt, tenant_id, work, inputs, feature, units, rank, deadline, cause_id, state,
            ended_at)
        SELECT 'job_' || n || '.0.1', 'job_' || n, 0, 1, 't', '{}', '{}', 'tryon-v4', 2, 1, now(), gen_random_uuid(),
            'done', now()
        FROM generate_series(1, 5000) n
        """
    )
    owner = await asyncpg.connect(owner_url)
    await owner.execute("ANALYZE renders")
    await owner.close()
    for statement in DROPS_OF_ENDED_JOBS:
        plan = "\n".join(row[0] for row in await pool.fetch(f"EXPLAIN {statement}"))
        assert "Seq Scan on renders" not in plan
