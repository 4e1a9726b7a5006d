"""Writing the read model of jobs: one statement per fact, the same for all, so that locks are taken in one order."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from closet_contracts.model import Model
from closet_messaging.transaction import Tx

from kiosk_gateway.domain.jobs import Change

# A fact that the timeline holds, or a second end, changes nothing, unless the first was only presumed. The row's lock
# numbers the timeline: a line with a higher number is never visible before one with a lower, so a reader may resume
# after the last number it saw.
APPLY = """
    WITH job AS (
        UPDATE jobs SET
            events = events + 1,
            status = CASE WHEN ended_at IS NULL OR $14 THEN coalesce($6, status) ELSE status END,
            progress = greatest(progress, CASE WHEN $17 > 0 THEN $7 * (made + $17) / items ELSE $7 END),
            started = started + $16,
            started_at = CASE WHEN $16 > 0 THEN least(started_at, $5) ELSE started_at END,
            made = made + $17,
            attempts = greatest(attempts, $8),
            version = greatest(version, $9),
            results = coalesce(results, $10),
            credits_charged = coalesce(credits_charged, $11),
            error_code = CASE WHEN $14 THEN $12 ELSE error_code END,
            error_message = CASE WHEN $14 THEN $13 ELSE error_message END,
            error_tip = CASE WHEN $14 THEN $18 ELSE error_tip END,
            failures = coalesce(failures, $15),
            ended_at = CASE WHEN $14 THEN $5 ELSE ended_at END,
            presumed = CASE WHEN $14 THEN $19 ELSE presumed END,
            updated_at = greatest(updated_at, $5)
        WHERE job_id = $1 AND NOT ($14 AND ended_at IS NOT NULL AND ($19 OR NOT presumed))
            AND NOT EXISTS (SELECT FROM job_events e WHERE e.job_id = $1 AND e.type = $2 AND e.part = $3)
        RETURNING events, status, progress
    )
    INSERT INTO job_events (job_id, seq, type, part, service, at, status, progress, code)
    SELECT $1, events, $2, $3, $4, $5, status, progress, coalesce($12, $20) FROM job
"""


def apply(tx: Tx, job_id: str, event_type: str, service: str, at: datetime, change: Change) -> None:  # noqa: PLR0913, PLR0917  the columns
    """Write what a fact changes, and its line of the timeline, at the end of the unit."""
    tx.defer(
        APPLY,
        job_id,
        event_type,
        change.part,
        service,
        at,
        change.status,
        change.progress,
        change.attempts,
        change.version,
        _json(change.results),
        change.credits_charged,
        change.error_code,
        change.error_message,
        change.is_end,
        _json(change.failures),
        change.started,
        change.made,
        change.error_tip,
        change.is_presumed,
        change.code,
    )


def _json(values: Sequence[Model] | None) -> list[dict[str, Any]] | None:
    return None if values is None else [value.model_dump(mode="json") for value in values]
