"""Renders: how they come, who has them in hand, and where they end."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
from closet_contracts.work import TASK, Role, Task
from closet_messaging.unit import Connection

from perfect_adapter.domain.renders import State


@dataclass(frozen=True, slots=True)
class Render:
    """An attempt at a job's picture. As the cause of an event it stands for the one that dispatched it."""

    render_id: str
    job_id: str
    attempt: int
    tenant_id: str
    work: Task
    inputs: dict[Role, str]
    deadline: datetime
    id: str
    traceparent: str | None
    state: State
    lease: UUID | None
    tries: int
    calls: int
    task_id: str | None
    task_began_at: datetime | None
    told_at: datetime | None
    code: str | None


_COLUMNS = """render_id, job_id, attempt, tenant_id, work, inputs, deadline, cause_id, traceparent, state, lease, tries,
    calls, task_id, task_began_at, told_at, code"""

BEGIN = """
    INSERT INTO renders (render_id, job_id, attempt, tenant_id, work, inputs, rank, deadline, cause_id, traceparent)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
"""
END_JOB = "INSERT INTO ended_jobs (job_id) VALUES ($1) ON CONFLICT DO NOTHING"
DROP = """
    UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now()
    WHERE job_id = $1 AND state IN ('waiting', 'running')
"""

_OF_LIVE_JOB = "NOT EXISTS (SELECT FROM ended_jobs AS e WHERE e.job_id = renders.job_id)"


async def next_waiting(conn: Connection, time_needed_s: float, limit: int) -> list[str]:
    """Lock those that are to be submitted next, the most urgent first, if their deadline still allows it."""
    rows = await conn.fetch(
        f"""
        SELECT render_id FROM renders
        WHERE state = 'waiting' AND due_at <= now() AND deadline > now() + make_interval(secs => $1) AND {_OF_LIVE_JOB}
        ORDER BY rank, due_at LIMIT $2 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 a literal of this module
        time_needed_s,
        limit,
    )
    return [row["render_id"] for row in rows]


async def next_running(conn: Connection, limit: int) -> list[str]:
    """Lock those whose task is to be looked at next."""
    rows = await conn.fetch(
        f"""
        SELECT render_id FROM renders WHERE state = 'running' AND due_at <= now() AND {_OF_LIVE_JOB}
        ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 a literal of this module
        limit,
    )
    return [row["render_id"] for row in rows]


async def next_look_in_s(conn: Connection) -> float | None:
    """In how many seconds a task will be due to be looked at, if there is one that is not due yet."""
    seconds: float | None = await conn.fetchval(
        """
        SELECT extract(epoch FROM min(due_at) - now())::float8 FROM renders
        WHERE state IN ('submitting', 'running') AND state = 'running' AND due_at > now()
        """  # the first condition is that of the index
    )
    return seconds


async def at_vendor(conn: Connection) -> int:
    """How many tasks have yet to be looked at."""
    count: int = await conn.fetchval("SELECT count(*) FROM renders WHERE state IN ('submitting', 'running')")
    return count


async def count(conn: Connection) -> dict[str, int]:
    """How many there are in each state that is not final."""
    rows = await conn.fetch(
        """
        SELECT 'waiting' AS state, count(*) FROM renders WHERE state = 'waiting'
        UNION ALL SELECT 'at_vendor', count(*) FROM renders WHERE state IN ('submitting', 'running')
        """
    )
    return {row["state"]: row["count"] for row in rows}


async def take(conn: Connection, render_ids: Sequence[str], state: State, lane: str, lease_s: float) -> list[Render]:
    """Claim these, and count the call that is about to be made for each. For a submission this is the intent."""
    rows = await conn.fetch(
        f"""
        UPDATE renders
        SET state = $2, lane = $3, lease = $4, due_at = now() + make_interval(secs => $5), calls = calls + 1
        WHERE render_id = ANY($1) RETURNING {_COLUMNS}
        """,  # noqa: S608 a literal of this module
        render_ids,
        state,
        lane,
        uuid4(),
        lease_s,
    )
    return [_render(row) for row in rows]


async def renew(conn: Connection, renders: Sequence[Render], lease_s: float) -> None:
    """Prolong the leases of these, where they still hold."""
    await conn.execute(
        """
        UPDATE renders SET due_at = now() + make_interval(secs => $3)
        WHERE render_id = ANY($1) AND lease = ANY($2) AND state IN ('submitting', 'running')
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


async def note_task(conn: Connection, began: Sequence[Began]) -> None:
    """Remember a task whose answer came after its render was given up: it may be charged for."""
    await conn.executemany(
        "UPDATE renders SET task_id = $2, task_began_at = $3 WHERE render_id = $1 AND task_id IS NULL",
        [(one.render_id, one.task_id, one.began_at) for one in began],
    )


async def back_to_waiting(conn: Connection, codes: Collection[tuple[str, str]]) -> None:
    """No task was created: (id, why). The lane's pause decides when they are tried again."""
    await conn.executemany(
        "UPDATE renders SET state = 'waiting', code = $2, lease = NULL, due_at = now() WHERE render_id = $1", codes
    )


@dataclass(frozen=True, slots=True)
class Later:
    """A look that did not end the render; `failed` if something went wrong with it."""

    render_id: str
    delay_s: float
    told_at: datetime | None
    failed: bool


async def look_later(conn: Connection, laters: Sequence[Later]) -> None:
    """Look again later; at once if the vendor told us of the end while we looked."""
    await conn.executemany(
        """
        UPDATE renders SET lease = NULL, tries = tries + $4::integer,
            due_at = now() + make_interval(secs => CASE WHEN told_at IS DISTINCT FROM $3 THEN 0 ELSE $2::float8 END)
        WHERE render_id = $1
        """,
        [(later.render_id, later.delay_s, later.told_at, int(later.failed)) for later in laters],
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


async def abandoned(conn: Connection, grace_s: float, limit: int) -> list[Render]:
    """Lock submissions whose worker is gone: nobody knows whether their task exists."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM renders WHERE state = 'submitting' AND due_at < now() - make_interval(secs => $1)
        ORDER BY render_id LIMIT $2 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 a literal of this module
        grace_s,
        limit,
    )
    return [_render(row) for row in rows]


async def overdue(conn: Connection, time_needed_s: float, limit: int) -> list[Render]:
    """Lock those that could not be submitted in time."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM renders WHERE state = 'waiting' AND deadline <= now() + make_interval(secs => $1)
        ORDER BY render_id LIMIT $2 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 a literal of this module
        time_needed_s,
        limit,
    )
    return [_render(row) for row in rows]


# One for each partial index: a condition that spans both would have every render there ever was read, every time.
DROPS_OF_ENDED_JOBS = tuple(
    f"""
    UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now()
    WHERE render_id = ANY(ARRAY(
        SELECT render_id FROM renders JOIN ended_jobs USING (job_id)
        WHERE {open_ones} FOR UPDATE OF renders SKIP LOCKED
    ))
    """  # noqa: S608 literals of this module
    for open_ones in ("state = 'waiting'", "state IN ('submitting', 'running') AND state = 'running'")
)


async def drop_of_ended_jobs(conn: Connection) -> None:
    """Drop what was dispatched after its job's end, or was being submitted when it came."""
    for statement in DROPS_OF_ENDED_JOBS:
        await conn.execute(statement)


async def forget_ended_jobs(conn: Connection, older_than_s: float) -> None:
    """Forget the ends of jobs of which no event can come any more."""
    await conn.execute("DELETE FROM ended_jobs WHERE ended_at < now() - make_interval(secs => $1)", older_than_s)


def _render(row: asyncpg.Record) -> Render:
    return Render(
        render_id=row["render_id"],
        job_id=row["job_id"],
        attempt=row["attempt"],
        tenant_id=row["tenant_id"],
        work=TASK.validate_python(row["work"]),
        inputs={Role(role): key for role, key in row["inputs"].items()},
        deadline=row["deadline"],
        id=str(row["cause_id"]),
        traceparent=row["traceparent"],
        state=State(row["state"]),
        lease=row["lease"],
        tries=row["tries"],
        calls=row["calls"],
        task_id=row["task_id"],
        task_began_at=row["task_began_at"],
        told_at=row["told_at"],
        code=row["code"],
    )
