"""Jobs in the database: one locking read, and one write that waits for the end of the transaction.

What a transaction has locked it remembers, so that several facts about a job in one batch read it once.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import asyncpg
from closet_contracts.envelope import Event
from closet_contracts.generation import GenerationRequested
from closet_contracts.work import tasks_of
from closet_messaging.unit import Tx

from job_orchestrator.domain.job import OPEN, Item, Job, Phase, Reason, Step

_REQUEST = {"work", "inputs", "price", "priority"}
_COLUMNS = """
    j.job_id, j.tenant_id, j.user_id, j.request, j.consent_given_at, j.deadline, j.max_attempts, j.traceparent,
    j.phase, j.version, j.held, j.assets, j.items, j.results, j.accepted_at, w.withdrawn_at
"""
_JOB = f"SELECT {_COLUMNS} FROM jobs j LEFT JOIN withdrawals w USING (tenant_id, user_id)"  # noqa: S608 (constants)


@dataclass(slots=True)
class Row:
    """A job under this transaction's lock.

    `assets` are the checked inputs by upload id, `results` those of the items that succeeded by their number, as they
    were told.
    """

    job_id: str
    tenant_id: str
    user_id: str
    request: Mapping[str, Any]
    deadline: datetime
    traceparent: str | None
    accepted_at: datetime
    assets: dict[str, Any]
    results: dict[str, list[Any]]
    job: Job
    reason: Reason | None = None

    @property
    def kind(self) -> str:
        """What is made, such as `tryon`."""
        kind: str = self.request["work"]["kind"]
        return kind


class Attempt(NamedTuple):
    """What one fact tells about an attempt at an item. `outcome` is `succeeded` or a failure's code."""

    job_id: str
    item: int
    attempt: int
    dispatched_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = None
    vendor_task_id: str | None = None
    vendor_code: str | None = None
    vendor_calls: int | None = None
    vendor_ms: int | None = None


async def insert(tx: Tx, event: Event[GenerationRequested], max_attempts: int) -> Row | None:
    """The new job, with its person's last withdrawal of consent; None if it is there already."""
    data = event.data
    record = await tx.conn.fetchrow(
        """
        WITH j AS (
            INSERT INTO jobs (
                job_id, tenant_id, user_id, request, consent_given_at, deadline, max_attempts, traceparent, items
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (job_id) DO NOTHING
            RETURNING *
        )
        SELECT j.*, w.withdrawn_at FROM j LEFT JOIN withdrawals w USING (tenant_id, user_id)
        """,
        data.job_id,
        event.tenantid,
        data.user_id,
        data.model_dump(mode="json", include=_REQUEST),
        data.consent_given_at,
        data.deadline,
        max_attempts,
        event.traceparent,
        [asdict(Item()) for _ in tasks_of(data.work)],
    )
    return _remember(tx, record) if record else None


async def lock(tx: Tx, job_id: str, tenant_id: str) -> Row | None:
    """The tenant's job, locked; None if the tenant has no such job."""
    known = _jobs(tx).get(job_id)
    if known:
        return known if known.tenant_id == tenant_id else None
    record = await tx.conn.fetchrow(f"{_JOB} WHERE job_id = $1 AND tenant_id = $2 FOR UPDATE OF j", job_id, tenant_id)
    return _remember(tx, record) if record else None


async def lock_not_at_vendor(tx: Tx, tenant_id: str, user_id: str) -> list[Row]:
    """A person's jobs that have not reached the vendor, locked."""
    records = await tx.conn.fetch(
        f"""{_JOB} WHERE j.tenant_id = $1 AND j.user_id = $2 AND phase IN ('accepted', 'dispatched')
        ORDER BY job_id FOR UPDATE OF j""",
        tenant_id,
        user_id,
    )
    return [_remember(tx, record) for record in records]


async def lock_due(tx: Tx, limit: int) -> list[Row]:
    """Open jobs past their deadline, the longest overdue first, locked; those that others hold are left to them."""
    records = await tx.conn.fetch(
        f"""{_JOB} WHERE phase IN ('accepted', 'dispatched', 'running') AND deadline <= now()
        ORDER BY deadline LIMIT $1 FOR UPDATE OF j SKIP LOCKED""",
        limit,
    )
    return [_remember(tx, record) for record in records]


async def seconds_to_next_deadline(tx: Tx) -> float | None:
    """Seconds until the next open job is due, negative if it is overdue; None if no job is open."""
    seconds: float | None = await tx.conn.fetchval(
        """SELECT extract(epoch FROM min(deadline) - now())::float8 FROM jobs
        WHERE phase IN ('accepted', 'dispatched', 'running')"""
    )
    return seconds


def save(tx: Tx, row: Row) -> None:
    """Write the job back with the transaction's end, once, however often it has changed by then."""
    tx.before_commit(f"job {row.job_id}", partial(_save, tx, row))


def _save(tx: Tx, row: Row) -> None:
    job = row.job
    tx.defer(
        """
        UPDATE jobs SET phase = $2, version = $3, attempt = $4, held = $5, assets = $6, items = $7, results = $8,
            code = $9, message = $10, updated_at = now()
        WHERE job_id = $1
        """,
        row.job_id,
        job.phase.value,
        job.version,
        job.attempt,
        job.held,
        dict(row.assets),
        [asdict(item) for item in job.items],
        dict(row.results) if job.phase in OPEN else {},  # the end has told of them
        row.reason.code if row.reason else None,
        row.reason.message if row.reason else None,
    )


def note_withdrawal(tx: Tx, tenant_id: str, user_id: str, at: datetime) -> None:
    """Remember the person's last withdrawal of consent."""
    tx.defer(
        """
        INSERT INTO withdrawals (tenant_id, user_id, withdrawn_at) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, user_id)
        DO UPDATE SET withdrawn_at = greatest(withdrawals.withdrawn_at, excluded.withdrawn_at)
        """,
        tenant_id,
        user_id,
        at,
    )


def note_attempt(tx: Tx, note: Attempt) -> None:
    """Add to what is known of an attempt; what is known already stays, in whatever order it is told."""
    tx.defer(_NOTE_ATTEMPT, *note)


_NOTE_ATTEMPT = """
    INSERT INTO attempts AS a (
        job_id, item, attempt, dispatched_at, started_at, ended_at, outcome, vendor_task_id, vendor_code, vendor_calls,
        vendor_ms
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (job_id, item, attempt) DO UPDATE SET
        dispatched_at = coalesce(a.dispatched_at, excluded.dispatched_at),
        started_at = coalesce(a.started_at, excluded.started_at),
        ended_at = coalesce(a.ended_at, excluded.ended_at),
        outcome = coalesce(a.outcome, excluded.outcome),
        vendor_task_id = coalesce(a.vendor_task_id, excluded.vendor_task_id),
        vendor_code = coalesce(a.vendor_code, excluded.vendor_code),
        vendor_calls = coalesce(a.vendor_calls, excluded.vendor_calls),
        vendor_ms = coalesce(a.vendor_ms, excluded.vendor_ms)
"""


def _jobs(tx: Tx) -> dict[str, Row]:
    jobs: dict[str, Row] = tx.memo.setdefault("jobs", {})
    return jobs


def _remember(tx: Tx, record: asyncpg.Record) -> Row:
    # A job that this transaction has already read may be ahead of the table: its write is still waiting.
    return _jobs(tx).setdefault(record["job_id"], _row(record))


def _row(record: asyncpg.Record) -> Row:
    uploads = frozenset(part["uploadId"] for part in record["request"]["inputs"])
    return Row(
        job_id=record["job_id"],
        tenant_id=record["tenant_id"],
        user_id=record["user_id"],
        request=record["request"],
        deadline=record["deadline"],
        traceparent=record["traceparent"],
        accepted_at=record["accepted_at"],
        assets=record["assets"],
        results=record["results"],
        job=Job(
            consent_given_at=record["consent_given_at"],
            missing=uploads - record["assets"].keys(),
            max_attempts=record["max_attempts"],
            items=tuple(map(_item, record["items"])),
            withdrawn_at=record["withdrawn_at"],
            phase=Phase(record["phase"]),
            version=record["version"],
            held=record["held"],
        ),
    )


def _item(stored: Mapping[str, Any]) -> Item:
    reason = stored["reason"]
    return Item(Step(stored["step"]), stored["attempt"], stored["vendor_ms"], Reason(**reason) if reason else None)
