"""Read jobs, and lock those that are to be changed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg import Record
from closet_contracts.generation import Input
from closet_contracts.job import ItemFailure
from closet_contracts.render import ResultFile
from closet_messaging.transaction import Connection

from kiosk_gateway.domain.jobs import TERMINAL_STATUSES, Status


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An entry of a job's timeline.

    `part` is the upload or the attempt (`item.attempt`) that it is about, `code` the reason of a failure.
    """

    seq: int
    type: str
    service: str
    at: datetime
    status: Status
    progress: int
    part: str = ""
    code: str | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job in the read model. `events` is the length of its timeline, so it grows with every change."""

    job_id: str
    tenant: str
    user: str
    kind: str
    status: Status
    progress: int
    attempts: int
    credits: int
    usd_cents: int
    credits_charged: int | None
    results: tuple[ResultFile, ...]
    failures: tuple[ItemFailure, ...]
    error_code: str | None
    error_message: str | None
    error_tip: str | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    cancel_requested_at: datetime | None
    events: int
    inputs: tuple[Input, ...] = ()
    timeline: tuple[JobEvent, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Return whether the job's status is terminal."""
        return self.status in TERMINAL_STATUSES


_COLUMNS = """
    job_id, tenant_id, user_id, kind, status, progress, attempts, credits, usd_cents, credits_charged, results,
    failures, error_code, error_message, error_tip, created_at, updated_at, ended_at, cancel_requested_at, events,
    inputs
"""


# By key with LATERAL, for the reason given in `intake`.
READ = f"""
    SELECT {_COLUMNS}, (
        SELECT jsonb_agg(jsonb_build_array(seq, type, service, at, e.status, e.progress, part, code) ORDER BY seq)
        FROM job_events e WHERE e.job_id = found.job_id
    ) AS timeline
    FROM unnest($1::text[]) AS keys (id)
    CROSS JOIN LATERAL (SELECT * FROM jobs j WHERE j.job_id = keys.id LIMIT 1) found
"""  # noqa: S608  constants


async def read(conn: Connection, job_ids: Collection[str]) -> dict[str, JobRecord]:
    """Return those of the jobs that exist, with their timelines, from one snapshot."""
    rows = await conn.fetch(READ, list(job_ids))
    return {row["job_id"]: _job(row, row["timeline"] or ()) for row in rows}


# Two statements, so that each uses an index of its own.
PAGE = f"""
    SELECT {_COLUMNS} FROM jobs WHERE tenant_id = $1 AND user_id = $2 AND job_id < $3
    ORDER BY job_id DESC LIMIT $4
"""  # noqa: S608  a constant
PAGE_OF_STATUS = f"""
    SELECT {_COLUMNS} FROM jobs WHERE tenant_id = $1 AND user_id = $2 AND job_id < $3 AND status = $5
    ORDER BY job_id DESC LIMIT $4
"""  # noqa: S608  a constant
_AFTER_EVERY_ID = "job_g"  # greater than every id: these have hexadecimal digits


async def page(  # noqa: PLR0913  what a page depends on
    conn: Connection, tenant: str, user: str, *, before: str | None, status: Status | None, limit: int
) -> list[JobRecord]:
    """Return a user's jobs without timelines, newest first, older than `before`."""
    arguments = (tenant, user, before or _AFTER_EVERY_ID, limit)
    rows = await (conn.fetch(PAGE, *arguments) if status is None else conn.fetch(PAGE_OF_STATUS, *arguments, status))
    return [_job(row) for row in rows]


async def lock_overdue(conn: Connection, overdue_s: float, limit: int) -> list[str]:
    """Lock at most `limit` jobs without an end `overdue_s` seconds after their deadline; skip locked ones."""
    rows = await conn.fetch(
        """
        SELECT job_id FROM jobs WHERE ended_at IS NULL AND deadline <= now() - make_interval(secs => $1)
        ORDER BY deadline LIMIT $2 FOR UPDATE SKIP LOCKED
        """,
        overdue_s,
        limit,
    )
    return [row["job_id"] for row in rows]


async def record_cancel(conn: Connection, job_id: str, tenant: str, user: str) -> bool | None:
    """Record a cancel request: True if recorded, False if recorded before or ended, None if there is no such job."""
    job = await conn.fetchrow(
        """
        SELECT ended_at, cancel_requested_at FROM jobs
        WHERE job_id = $1 AND tenant_id = $2 AND user_id = $3 FOR UPDATE
        """,
        job_id,
        tenant,
        user,
    )
    if job is None or job["ended_at"] or job["cancel_requested_at"]:
        return None if job is None else False
    await conn.execute("UPDATE jobs SET cancel_requested_at = now() WHERE job_id = $1", job_id)
    return True


def _job(row: Record, timeline: Sequence[Sequence[Any]] = ()) -> JobRecord:
    return JobRecord(
        job_id=row["job_id"],
        tenant=row["tenant_id"],
        user=row["user_id"],
        kind=row["kind"],
        status=Status(row["status"]),
        progress=row["progress"],
        attempts=row["attempts"],
        credits=row["credits"],
        usd_cents=row["usd_cents"],
        credits_charged=row["credits_charged"],
        results=tuple(ResultFile.model_validate(each) for each in row["results"] or ()),
        failures=tuple(ItemFailure.model_validate(each) for each in row["failures"] or ()),
        error_code=row["error_code"],
        error_message=row["error_message"],
        error_tip=row["error_tip"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        ended_at=row["ended_at"],
        cancel_requested_at=row["cancel_requested_at"],
        events=row["events"],
        inputs=tuple(Input.model_validate(each) for each in row["inputs"]),
        timeline=tuple(map(_event, timeline)),
    )


def _event(values: Sequence[Any]) -> JobEvent:
    seq, event_type, service, at, status, *rest = values
    return JobEvent(seq, event_type, service, datetime.fromisoformat(at), Status(status), *rest)
