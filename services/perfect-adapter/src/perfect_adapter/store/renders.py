"""Renders: how they come, who has them in hand, and where they end."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from closet_messaging.transaction import Connection

from perfect_adapter.domain.renders import State
from perfect_adapter.store.render import COLUMNS, Render, render_of

BEGIN = """
    INSERT INTO renders (
        render_id, job_id, item, attempt, tenant_id, work, inputs, feature, units, rank, deadline, cause_id, traceparent
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING
"""
END_JOB = "INSERT INTO ended_jobs (job_id) VALUES ($1) ON CONFLICT DO NOTHING"
# What somebody else has locked is dropped by the sweep: an event's handler waits for no lane.
DROP = """
    UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now()
    WHERE render_id = ANY(ARRAY(
        SELECT render_id FROM renders WHERE job_id = $1 AND state IN ('waiting', 'running') FOR UPDATE SKIP LOCKED
    ))
"""


async def drop_waiting(conn: Connection, job_id: str) -> list[Render]:
    """Those of a job that were not ordered, which they never will be."""
    rows = await conn.fetch(
        f"""
        UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now()
        WHERE job_id = $1 AND state = 'waiting' RETURNING {COLUMNS}
        """,  # noqa: S608 a literal
        job_id,
    )
    return [render_of(row) for row in rows]


async def due_running(conn: Connection, keys: Collection[str], limit: int) -> list[tuple[str, str]]:
    """Those whose task is to be looked at next, with the key of each; none is locked."""
    rows = await conn.fetch(
        """
        SELECT render_id, key FROM renders
        WHERE state IN ('submitting', 'doubtful', 'running') AND state = 'running' AND due_at <= now()
            AND key = ANY($1) AND NOT EXISTS (SELECT FROM ended_jobs AS e WHERE e.job_id = renders.job_id)
        ORDER BY due_at LIMIT $2
        """,  # the first condition is that of the index
        list(keys),
        limit,
    )
    return [(row["render_id"], row["key"]) for row in rows]


async def next_due_in_s(conn: Connection, state: State) -> float | None:
    """In how many seconds one of this state will be due, if there is one that is not due yet."""
    seconds: float | None = await conn.fetchval(
        """
        SELECT extract(epoch FROM min(due_at) - now())::float8 FROM renders
        WHERE state IN ('submitting', 'doubtful', 'running') AND state = $1 AND due_at > now()
        """,
        state,
    )
    return seconds


async def count(conn: Connection) -> dict[str, int]:
    """How many there are in each state that is not final."""
    rows = await conn.fetch(
        """
        SELECT 'waiting' AS state, count(*) FROM renders WHERE state = 'waiting'
        UNION ALL SELECT 'at_vendor', count(*) FROM renders WHERE state IN ('submitting', 'running')
            AND state IN ('submitting', 'doubtful', 'running')
        UNION ALL SELECT 'doubtful', count(*) FROM renders WHERE state = 'doubtful'
            AND state IN ('submitting', 'doubtful', 'running')
        """
    )
    return {row["state"]: row["count"] for row in rows}


async def take_for_submission(conn: Connection, keys: Mapping[str, str], lease_s: float) -> list[Render]:
    """Claim these, each to be ordered with a key (id -> key): the intent is written."""
    by_key = defaultdict(list)
    for render_id, key in keys.items():
        by_key[key].append(render_id)
    rows = [
        row
        for key, render_ids in sorted(by_key.items())
        for row in await conn.fetch(
            f"""
            UPDATE renders SET state = 'submitting', key = $2, lease = $3, asked_at = clock_timestamp(),
                due_at = now() + make_interval(secs => $4)
            WHERE render_id = ANY($1) AND state = 'waiting' RETURNING {COLUMNS}
            """,  # noqa: S608 a literal
            render_ids,
            key,
            uuid4(),
            lease_s,
        )
    ]
    order = list(keys)
    return sorted(map(render_of, rows), key=lambda render: order.index(render.render_id))


async def take(
    conn: Connection, render_ids: Sequence[str], state: State, lease_s: float, *, looks: int = 0
) -> list[Render]:
    """Claim those of these that are still due and in that state; count the looks that are about to be taken at each."""
    rows = await conn.fetch(
        f"""
        UPDATE renders SET lease = $3, due_at = now() + make_interval(secs => $4), looks = looks + $5
        WHERE render_id = ANY(ARRAY(
            SELECT render_id FROM renders WHERE render_id = ANY($1) AND state = $2 AND due_at <= now()
            ORDER BY render_id FOR UPDATE SKIP LOCKED
        )) RETURNING {COLUMNS}
        """,  # noqa: S608 a literal
        render_ids,
        state,
        uuid4(),
        lease_s,
        looks,
    )
    return [render_of(row) for row in rows]


async def confirm(conn: Connection, render: Render, lease_s: float) -> bool:
    """Right before its order is sent: is it still in this worker's hands, and wanted? Then the lease begins anew."""
    row = await conn.fetchrow(
        """
        UPDATE renders SET due_at = now() + make_interval(secs => $3)
        WHERE render_id = $1 AND lease = $2 AND state = 'submitting'
            AND NOT EXISTS (SELECT FROM ended_jobs AS e WHERE e.job_id = renders.job_id)
        RETURNING render_id
        """,
        render.render_id,
        render.lease,
        lease_s,
    )
    return row is not None


async def renew(conn: Connection, renders: Sequence[Render], lease_s: float) -> None:
    """Prolong the leases of these, where they still hold."""
    await conn.execute(
        """
        UPDATE renders SET due_at = now() + make_interval(secs => $3)
        WHERE render_id = ANY($1) AND lease = ANY($2) AND state IN ('submitting', 'doubtful', 'running')
        """,
        [render.render_id for render in renders],
        [render.lease for render in renders],
        lease_s,
    )


async def hold(conn: Connection, renders: Sequence[Render]) -> set[str]:
    """Lock these, in order of id; those of which the lease is still the same."""
    rows = await conn.fetch(
        "SELECT render_id, lease FROM renders WHERE render_id = ANY($1) ORDER BY render_id FOR UPDATE",
        [render.render_id for render in renders],
    )
    leases = {render.render_id: render.lease for render in renders}
    return {row["render_id"] for row in rows if row["lease"] and row["lease"] == leases[row["render_id"]]}


@dataclass(frozen=True, slots=True)
class Began:
    """A task that exists."""

    render_id: str
    task_id: str
    began_at: datetime


async def mark_running(conn: Connection, began: Sequence[Began], look_after_s: float) -> None:
    await conn.executemany(
        """
        UPDATE renders SET state = 'running', task_id = $2, task_began_at = $3, code = NULL, lease = NULL,
            due_at = now() + make_interval(secs => $4)
        WHERE render_id = $1
        """,
        [(one.render_id, one.task_id, one.began_at, look_after_s) for one in began],
    )


async def note_task(conn: Connection, began: Sequence[Began]) -> set[str]:
    """An answer that came after its order was in doubt: go on if it still is; of one that has ended, remember the task.

    Returns:
        the ids of those that go on.
    """
    going_on = set()
    for one in began:
        row = await conn.fetchrow(
            """
            UPDATE renders SET task_id = $2, task_began_at = $3,
                state = CASE WHEN state = 'doubtful' THEN 'running' ELSE state END,
                due_at = CASE WHEN state = 'doubtful' THEN now() ELSE due_at END,
                lease = CASE WHEN state = 'doubtful' THEN NULL ELSE lease END
            WHERE render_id = $1 AND task_id IS NULL AND state IN ('doubtful', 'failed', 'dropped') RETURNING state
            """,
            one.render_id,
            one.task_id,
            one.began_at,
        )
        if row and row["state"] == State.RUNNING:
            going_on.add(one.render_id)
    return going_on


@dataclass(frozen=True, slots=True)
class Setback:
    """No task was created. It waits for `delay_s`, or longer if its key pauses; `counts` if it was at fault itself."""

    render_id: str
    code: str | None
    delay_s: float
    counts: bool


async def back_to_waiting(conn: Connection, setbacks: Sequence[Setback]) -> None:
    """These go back to where they came from."""
    await conn.executemany(
        """
        UPDATE renders SET state = 'waiting', code = $2, lease = NULL, key = NULL, asked_at = NULL,
            due_at = now() + make_interval(secs => $3), setbacks = setbacks + $4::integer
        WHERE render_id = $1
        """,
        [(one.render_id, one.code, one.delay_s, int(one.counts)) for one in setbacks],
    )


@dataclass(frozen=True, slots=True)
class Later:
    """A look that did not end the render; `failed` if its result could not be collected.

    `timed_out`: the vendor said that the task took too long. `is_made`: it had succeeded.
    """

    render_id: str
    delay_s: float
    told_at: datetime | None
    failed: bool = False
    timed_out: bool = False
    is_made: bool = False


async def look_later(conn: Connection, laters: Sequence[Later]) -> None:
    """Look again later; at once if the vendor told us of the end while we looked."""
    await conn.executemany(
        """
        UPDATE renders SET lease = NULL, tries = tries + $4::integer, timeouts = timeouts + $5::integer,
            is_made = is_made OR $6,
            due_at = now() + make_interval(secs => CASE WHEN told_at IS DISTINCT FROM $3 THEN 0 ELSE $2::float8 END)
        WHERE render_id = $1
        """,
        [(one.render_id, one.delay_s, one.told_at, int(one.failed), int(one.timed_out), one.is_made) for one in laters],
    )


async def mark_done(conn: Connection, render_ids: Sequence[str]) -> None:
    await conn.execute(
        "UPDATE renders SET state = 'done', lease = NULL, ended_at = now() WHERE render_id = ANY($1)", render_ids
    )


async def mark_failed(conn: Connection, failures: Collection[tuple[str, str, str | None]]) -> None:
    """(id, our code, the vendor's code) of each."""
    await conn.executemany(
        """
        UPDATE renders SET state = 'failed', code = $2, vendor_code = $3, lease = NULL, ended_at = now()
        WHERE render_id = $1
        """,
        failures,
    )


async def typical_s(conn: Connection) -> float | None:
    """How long the last tasks took at the vendor, the median in seconds; None if there were none."""
    seconds: float | None = await conn.fetchval(
        """
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - task_began_at)::float8)
        FROM (SELECT ended_at, task_began_at FROM renders WHERE state = 'done' ORDER BY ended_at DESC LIMIT 50) recent
        """
    )
    return seconds
