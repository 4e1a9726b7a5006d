"""Jobs in the database: one locking read, and one write at the end of the transaction.

A transaction caches the jobs that it has locked, so that several facts about a job in one batch read it once.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any

import asyncpg
from closet_contracts.envelope import Event
from closet_contracts.generation import GenerationRequested
from closet_contracts.work import tasks_of
from closet_messaging.transaction import Tx

from job_orchestrator.domain.job import OPEN_PHASES, Input, Item, ItemState, Job, Phase, Reason

_REQUEST = {"work", "inputs", "price", "priority"}
# For a job that was cancelled before its request arrived, only the owner is known.
_UNKNOWN_REQUEST = {"work": {"kind": "unknown"}, "inputs": [], "price": {"credits": 0}, "priority": "interactive"}
_COLUMNS = """
    j.job_id, j.tenant_id, j.user_id, j.request, j.consent_given_at, j.deadline, j.max_attempts, j.traceparent,
    j.phase, j.version, j.held, j.assets, j.items, j.results, j.accepted_at, j.stopping, j.settle_at, w.withdrawn_at
"""
_JOB = f"SELECT {_COLUMNS} FROM jobs j LEFT JOIN withdrawals w USING (tenant_id, user_id)"  # noqa: S608 (constants)


@dataclass(slots=True)
class JobRow:
    """A job that this transaction has locked.

    `assets`: the checked inputs by upload id. `results`: the result files of the items that succeeded, by item number.
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
    settle_at: datetime | None = None
    reason: Reason | None = None

    @property
    def kind(self) -> str:
        """Return the kind of work, such as `tryon`."""
        kind: str = self.request["work"]["kind"]
        return kind


async def insert(tx: Tx, event: Event[GenerationRequested], max_attempts: int) -> JobRow | None:
    """Insert the job and return it with its person's last withdrawal of consent; None if it exists already."""
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
        [_stored_item(Item()) for _ in tasks_of(data.work)],
    )
    return _cache(tx, record) if record else None


async def lock(tx: Tx, job_id: str, tenant_id: str) -> JobRow | None:
    """Lock and return the tenant's job; None if the tenant has no such job."""
    known = _cached_jobs(tx).get(job_id)
    if known:
        return known if known.tenant_id == tenant_id else None
    record = await tx.conn.fetchrow(f"{_JOB} WHERE job_id = $1 AND tenant_id = $2 FOR UPDATE OF j", job_id, tenant_id)
    return _cache(tx, record) if record else None


async def add_cancelled(tx: Tx, job_id: str, tenant_id: str, user_id: str) -> JobRow | None:
    """Insert a job that was cancelled before its request arrived, and return it; None if the job exists already."""
    record = await tx.conn.fetchrow(
        """
        INSERT INTO jobs (job_id, tenant_id, user_id, request, deadline, max_attempts, items)
        VALUES ($1, $2, $3, $4, now() + interval '1 day', 1, '[]') ON CONFLICT (job_id) DO NOTHING
        RETURNING *, NULL::timestamptz AS withdrawn_at
        """,
        job_id,
        tenant_id,
        user_id,
        _UNKNOWN_REQUEST,
    )
    return _cache(tx, record) if record else None


async def lock_withdrawn(tx: Tx, person: tuple[str, str], at: datetime, limit: int) -> list[JobRow]:
    """Lock and return jobs of a person (tenant, user) that were requested before consent was withdrawn `at`.

    Return at most `limit` jobs, only those that have not reached the vendor; skip those that another transaction has
    locked.
    """
    records = await tx.conn.fetch(
        f"""{_JOB} WHERE j.tenant_id = $1 AND j.user_id = $2 AND phase IN ('accepted', 'dispatched')
            AND settle_at IS NULL AND j.consent_given_at <= $3 ORDER BY job_id LIMIT $4 FOR UPDATE OF j SKIP LOCKED""",
        *person,
        at,
        limit,
    )
    return [_cache(tx, record) for record in records]


async def lock_due(tx: Tx, limit: int) -> list[JobRow]:
    """Lock and return open jobs past their deadline, the longest overdue first; skip those locked by others."""
    records = await tx.conn.fetch(
        f"""{_JOB} WHERE phase IN ('accepted', 'dispatched', 'running') AND deadline <= now()
        ORDER BY deadline LIMIT $1 FOR UPDATE OF j SKIP LOCKED""",
        limit,
    )
    return [_cache(tx, record) for record in records]


async def lock_settling(tx: Tx, limit: int) -> list[JobRow]:
    """Lock and return cancelled jobs whose wait for started attempts is over; skip those locked by others."""
    records = await tx.conn.fetch(
        f"""{_JOB} WHERE phase = 'dispatched' AND settle_at <= now()
        ORDER BY settle_at LIMIT $1 FOR UPDATE OF j SKIP LOCKED""",
        limit,
    )
    return [_cache(tx, record) for record in records]


async def seconds_to_next_due(tx: Tx) -> float | None:
    """Return the seconds until the next open job has to end, negative if it is overdue; None if no job is open."""
    seconds: float | None = await tx.conn.fetchval(
        """SELECT extract(epoch FROM least(
            (SELECT min(deadline) FROM jobs WHERE phase IN ('accepted', 'dispatched', 'running')),
            (SELECT min(settle_at) FROM jobs WHERE phase = 'dispatched' AND settle_at IS NOT NULL)
        ) - now())::float8"""
    )
    return seconds


def save(tx: Tx, row: JobRow) -> None:
    """Write the job at the end of the transaction, once, however often it changes until then."""
    tx.before_commit(f"job {row.job_id}", partial(_save, tx, row))


def _save(tx: Tx, row: JobRow) -> None:
    job = row.job
    tx.defer(
        """
        UPDATE jobs SET phase = $2, version = $3, attempt = $4, held = $5, assets = $6, items = $7, results = $8,
            code = $9, message = $10, stopping = $11, settle_at = $12, updated_at = now()
        WHERE job_id = $1
        """,
        row.job_id,
        job.phase.value,
        job.version,
        job.attempt,
        job.has_hold,
        dict(row.assets),
        [_stored_item(item) for item in job.items],
        dict(row.results) if job.phase in OPEN_PHASES else {},  # the final event has them
        row.reason.code if row.reason else None,
        row.reason.message if row.reason else None,
        _stored_reason(job.stop_reason),
        row.settle_at,
    )


def _cached_jobs(tx: Tx) -> dict[str, JobRow]:
    jobs: dict[str, JobRow] = tx.memo.setdefault("jobs", {})
    return jobs


def _cache(tx: Tx, record: asyncpg.Record) -> JobRow:
    # A cached job may be ahead of the table: it is written at the end of the transaction.
    return _cached_jobs(tx).setdefault(record["job_id"], _row(record))


def _row(record: asyncpg.Record) -> JobRow:
    return JobRow(
        job_id=record["job_id"],
        tenant_id=record["tenant_id"],
        user_id=record["user_id"],
        request=record["request"],
        deadline=record["deadline"],
        traceparent=record["traceparent"],
        accepted_at=record["accepted_at"],
        assets=record["assets"],
        results=record["results"],
        settle_at=record["settle_at"],
        job=Job(
            consent_given_at=record["consent_given_at"],
            max_attempts=record["max_attempts"],
            inputs=tuple(
                Input(part.get("item", 0), part["role"], part["uploadId"]) for part in record["request"]["inputs"]
            ),
            ready=frozenset(record["assets"]),
            items=tuple(map(_item, record["items"])),
            withdrawn_at=record["withdrawn_at"],
            phase=Phase(record["phase"]),
            version=record["version"],
            has_hold=record["held"],
            stop_reason=_reason(record["stopping"]),
        ),
    )


def _stored_item(item: Item) -> dict[str, Any]:
    return {
        "step": item.state.value,
        "attempt": item.attempt,
        "vendor_ms": item.vendor_ms,
        "reason": _stored_reason(item.reason),
    }


def _stored_reason(reason: Reason | None) -> dict[str, Any] | None:
    """Leave out an empty role: a replica of the previous release does not know the field."""
    if reason is None:
        return None
    return {name: value for name, value in asdict(reason).items() if (name, value) != ("role", None)}


def _item(stored: Mapping[str, Any]) -> Item:
    return Item(ItemState(stored["step"]), stored["attempt"], stored["vendor_ms"], _reason(stored["reason"]))


def _reason(stored: Mapping[str, Any] | None) -> Reason | None:
    return Reason(**stored) if stored else None
