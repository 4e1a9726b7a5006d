"""Renders in the database: queued, claimed by a worker with a lease, and ended."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from closet_messaging.transaction import Connection

from perfect_adapter.renders.render import COLUMNS, Render, render_of
from perfect_adapter.renders.states import RenderState


class NewRender(NamedTuple):
    """The arguments of `INSERT`, in order."""

    render_id: str
    job_id: str
    item: int
    attempt: int
    tenant_id: str
    work: dict[str, Any]
    inputs: dict[str, Any]
    feature: str
    units: int
    rank: int
    deadline: datetime
    cause_id: str
    traceparent: str | None


INSERT = """
    INSERT INTO renders (
        render_id, job_id, item, attempt, tenant_id, work, inputs, feature, units, rank, deadline, cause_id, traceparent
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING
"""
END_JOB = "INSERT INTO ended_jobs (job_id) VALUES ($1) ON CONFLICT DO NOTHING"
# What a worker has locked is dropped by the sweep: a handler does not wait for it.
DROP = """
    UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now()
    WHERE render_id = ANY(ARRAY(
        SELECT render_id FROM renders WHERE job_id = $1 AND state IN ('waiting', 'running') FOR UPDATE SKIP LOCKED
    ))
"""


async def drop_waiting(conn: Connection, job_id: str) -> list[Render]:
    """Drop and return the renders of a job that were not ordered."""
    rows = await conn.fetch(
        f"""
        UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now()
        WHERE job_id = $1 AND state = 'waiting' RETURNING {COLUMNS}
        """,  # noqa: S608 a literal
        job_id,
    )
    return [render_of(row) for row in rows]


async def find_due_running(conn: Connection, keys: Collection[str], limit: int) -> list[tuple[str, str]]:
    """Return the renders that are due to be polled, with the key of each; none is locked."""
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


async def next_due_in_s(conn: Connection, state: RenderState) -> float | None:
    """Return the seconds until the next render of this state is due, if there is one that is not due yet."""
    seconds: float | None = await conn.fetchval(
        """
        SELECT extract(epoch FROM min(due_at) - now())::float8 FROM renders
        WHERE state IN ('submitting', 'doubtful', 'running') AND state = $1 AND due_at > now()
        """,
        state,
    )
    return seconds


async def take_for_submission(conn: Connection, keys: Mapping[str, str], lease_s: float) -> list[Render]:
    """Claim these, each to be ordered with a key (id -> key): this writes the intent."""
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
    conn: Connection, render_ids: Sequence[str], state: RenderState, lease_s: float, *, polls: int = 0
) -> list[Render]:
    """Claim those of these that are still due and in that state, and count the polls that are about to be made."""
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
        polls,
    )
    return [render_of(row) for row in rows]


async def confirm(conn: Connection, render: Render, lease_s: float) -> bool:
    """Renew the lease right before an order is sent; False if the lease is lost or the job has ended."""
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
    """Renew the leases of these, where they still hold."""
    await conn.execute(
        """
        UPDATE renders SET due_at = now() + make_interval(secs => $3)
        WHERE render_id = ANY($1) AND lease = ANY($2) AND state IN ('submitting', 'doubtful', 'running')
        """,
        [render.render_id for render in renders],
        [render.lease for render in renders],
        lease_s,
    )


async def lock_held(conn: Connection, renders: Sequence[Render]) -> set[str]:
    """Lock these, in order of id, and return the ids of those whose lease is still the same."""
    rows = await conn.fetch(
        "SELECT render_id, lease FROM renders WHERE render_id = ANY($1) ORDER BY render_id FOR UPDATE",
        [render.render_id for render in renders],
    )
    leases = {render.render_id: render.lease for render in renders}
    return {row["render_id"] for row in rows if row["lease"] and row["lease"] == leases[row["render_id"]]}


@dataclass(frozen=True, slots=True)
class StartedTask:
    """A task that the vendor has started."""

    render_id: str
    task_id: str
    started_at: datetime


async def mark_running(conn: Connection, started: Sequence[StartedTask], poll_after_s: float) -> None:
    """Store these tasks; the caller holds their renders."""
    await conn.executemany(
        """
        UPDATE renders SET state = 'running', task_id = $2, task_began_at = $3, code = NULL, lease = NULL,
            due_at = now() + make_interval(secs => $4)
        WHERE render_id = $1
        """,
        [(one.render_id, one.task_id, one.started_at, poll_after_s) for one in started],
    )


@dataclass(frozen=True, slots=True)
class Setback:
    """No task was created: the render waits `delay_s`, or longer if its key pauses. `counts`: its inputs failed."""

    render_id: str
    code: str | None
    delay_s: float
    counts: bool


async def return_to_queue(conn: Connection, setbacks: Sequence[Setback]) -> None:
    """Return these to the queue; the caller holds them."""
    await conn.executemany(
        """
        UPDATE renders SET state = 'waiting', code = $2, lease = NULL, key = NULL, asked_at = NULL,
            due_at = now() + make_interval(secs => $3), setbacks = setbacks + $4::integer
        WHERE render_id = $1
        """,
        [(one.render_id, one.code, one.delay_s, int(one.counts)) for one in setbacks],
    )


@dataclass(frozen=True, slots=True)
class Reschedule:
    """A poll that did not end the render. `has_failed`: its result could not be collected.

    `has_timed_out`: the vendor said that the task took too long. `is_made`: the task had succeeded.
    """

    render_id: str
    delay_s: float
    webhook_at: datetime | None
    _: KW_ONLY
    has_failed: bool = False
    has_timed_out: bool = False
    is_made: bool = False


async def reschedule(conn: Connection, polled: Sequence[Reschedule]) -> None:
    """Schedule the next poll; at once if a webhook came meanwhile. The caller holds these renders."""
    await conn.executemany(
        """
        UPDATE renders SET lease = NULL, tries = tries + $4::integer, timeouts = timeouts + $5::integer,
            is_made = is_made OR $6,
            due_at = now() + make_interval(secs => CASE WHEN told_at IS DISTINCT FROM $3 THEN 0 ELSE $2::float8 END)
        WHERE render_id = $1
        """,
        [
            (one.render_id, one.delay_s, one.webhook_at, int(one.has_failed), int(one.has_timed_out), one.is_made)
            for one in polled
        ],
    )


async def mark_done(conn: Connection, render_ids: Sequence[str]) -> None:
    """Mark these as done; the caller holds them."""
    await conn.execute(
        "UPDATE renders SET state = 'done', lease = NULL, ended_at = now() WHERE render_id = ANY($1)", render_ids
    )


async def mark_failed(conn: Connection, failures: Collection[tuple[str, str, str | None]]) -> None:
    """Mark these as failed, given as (id, our code, the vendor's code); the caller holds them."""
    await conn.executemany(
        """
        UPDATE renders SET state = 'failed', code = $2, vendor_code = $3, lease = NULL, ended_at = now()
        WHERE render_id = $1
        """,
        failures,
    )
