"""Attempts at items. Each event about an attempt adds to its row."""

from datetime import datetime
from typing import NamedTuple

from closet_messaging.transaction import Tx


class Attempt(NamedTuple):
    """What one event says about an attempt. `outcome` is `succeeded` or the code of a failure."""

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


def record_attempt(tx: Tx, attempt: Attempt) -> None:
    """Add to the row of the attempt. Values that are known already stay, so the order of events does not matter."""
    tx.defer(_UPSERT_ATTEMPT, *attempt)


_UPSERT_ATTEMPT = """
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
