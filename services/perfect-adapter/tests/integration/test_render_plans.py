from closet_chassis.postgres import Pool
from perfect_adapter.store.leftovers import DROPS_OF_ENDED_JOBS
from perfect_adapter.store.room import HEADS


async def test_the_sweep_reads_open_renders_only(pool: Pool) -> None:
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
    await pool.execute("ANALYZE renders")
    for statement in DROPS_OF_ENDED_JOBS:
        plan = "\n".join(row[0] for row in await pool.fetch(f"EXPLAIN {statement}"))
        assert "Seq Scan on renders" not in plan


async def test_the_room_is_entered_by_its_index(pool: Pool) -> None:
    """However many wait: as many rows are read as there are queues to choose from."""
    await pool.execute(
        """
        INSERT INTO renders
            (render_id, job_id, item, attempt, tenant_id, work, inputs, feature, units, rank, deadline, cause_id)
        SELECT 'job_' || n || '.0.1', 'job_' || n, 0, 1, 't' || n % 10, '{}', '{}', 'tryon-v4', 2, n % 3,
            now() + interval '1 hour', gen_random_uuid()
        FROM generate_series(1, 5000) n
        """
    )
    await pool.execute("ANALYZE renders")
    heads = HEADS.replace("$1", "2").replace("$2", "ARRAY[]::text[]").replace("$3", "4")
    assert len(await pool.fetch(heads)) == 30 * 4
    plan = "\n".join(row[0] for row in await pool.fetch(f"EXPLAIN {heads}"))
    assert "Seq Scan on renders" not in plan
