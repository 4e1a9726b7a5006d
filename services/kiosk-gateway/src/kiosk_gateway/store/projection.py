"""Write what events say: one statement per kind of fact, so that locks are taken in one order."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from closet_contracts.credit import CreditBalanceChanged, PriceBook
from closet_contracts.envelope import Event
from closet_contracts.model import Model
from closet_contracts.render import RenderCapacityChanged
from closet_messaging.transaction import Connection, Tx

from kiosk_gateway.domain.jobs import Change

# $1 job_id, $2 type, $3 part, $4 service, $5 at: the fact. $6 status, $7 progress, $8 succeeded, $9 started,
# $10 attempts, $11 version, $12 results, $13 failures, $14 credits_charged, $15 is_terminal, $16 error_code,
# $17 error_message, $18 error_tip, $19 is_presumed, $20 code: its `Change`.
#
# A fact that the timeline holds changes nothing; nor does a second end, unless the first was only presumed. The row's
# lock numbers the timeline: an entry never becomes visible before one with a lower number, so a reader may resume
# after the last number it saw.
APPLY_CHANGE = """
    WITH job AS (
        UPDATE jobs SET
            events = events + 1,
            status = CASE WHEN ended_at IS NULL OR $15 THEN coalesce($6, status) ELSE status END,
            progress = greatest(progress, CASE WHEN $8 > 0 THEN $7 * (made + $8) / items ELSE $7 END),
            made = made + $8,
            started = started + $9,
            started_at = CASE WHEN $9 > 0 THEN least(started_at, $5) ELSE started_at END,
            attempts = greatest(attempts, $10),
            version = greatest(version, $11),
            results = coalesce(results, $12),
            failures = coalesce(failures, $13),
            credits_charged = coalesce(credits_charged, $14),
            ended_at = CASE WHEN $15 THEN $5 ELSE ended_at END,
            error_code = CASE WHEN $15 THEN $16 ELSE error_code END,
            error_message = CASE WHEN $15 THEN $17 ELSE error_message END,
            error_tip = CASE WHEN $15 THEN $18 ELSE error_tip END,
            presumed = CASE WHEN $15 THEN $19 ELSE presumed END,
            updated_at = greatest(updated_at, $5)
        WHERE job_id = $1 AND NOT ($15 AND ended_at IS NOT NULL AND ($19 OR NOT presumed))
            AND NOT EXISTS (SELECT FROM job_events e WHERE e.job_id = $1 AND e.type = $2 AND e.part = $3)
        RETURNING events, status, progress
    )
    INSERT INTO job_events (job_id, seq, type, part, service, at, status, progress, code)
    SELECT $1, events, $2, $3, $4, $5, status, progress, coalesce($16, $20) FROM job
"""

PUT_BALANCE = """
    INSERT INTO accounts AS a (account_id, balance, held, available, version, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (account_id) DO UPDATE SET balance = $2, held = $3, available = $4, version = $5, updated_at = $6
    WHERE a.version < $5
"""

PUT_CAPACITY = """
    INSERT INTO capacity AS c (vendor, available, per_minute, typical_s, measured_at, stopped_until)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (vendor) DO UPDATE
    SET available = $2, per_minute = $3, typical_s = $4, measured_at = $5, stopped_until = $6
    WHERE c.measured_at < $5
"""


def apply_change(tx: Tx, job_id: str, event_type: str, service: str, at: datetime, change: Change) -> None:  # noqa: PLR0913, PLR0917  the columns
    """Apply a fact's change to its job and add it to the timeline, right before the commit."""
    tx.defer(
        APPLY_CHANGE,
        job_id,
        event_type,
        change.part,
        service,
        at,
        change.status,
        change.progress,
        change.succeeded,
        change.started,
        change.attempts,
        change.version,
        _json(change.results),
        _json(change.failures),
        change.credits_charged,
        change.is_terminal,
        change.error_code,
        change.error_message,
        change.error_tip,
        change.is_presumed,
        change.code,
    )


def put_balance(tx: Tx, event: Event[CreditBalanceChanged]) -> None:
    """Store a balance right before the commit unless a newer one is stored; only the newest of those in `tx`."""
    fact = event.data
    newest: dict[str, int] = tx.memo.setdefault("balances", {})
    if newest.get(fact.account_id, 0) >= fact.version:
        return
    newest[fact.account_id] = fact.version
    row = (fact.account_id, fact.balance, fact.held, fact.available, fact.version, event.time)
    tx.before_commit(f"balance {fact.account_id}", lambda: tx.defer(PUT_BALANCE, *row))


async def put_prices(conn: Connection, book: PriceBook, effective_from: datetime) -> None:
    """Store a price book unless its version is stored; a version never changes."""
    await conn.execute(
        "INSERT INTO price_books (version, book, effective_from) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        book.version,
        book.model_dump(mode="json"),
        effective_from,
    )


def put_capacity(tx: Tx, event: Event[RenderCapacityChanged]) -> None:
    """Store a measured capacity right before the commit unless a later one is stored."""
    fact = event.data
    tx.defer(
        PUT_CAPACITY,
        fact.aggregate(),
        fact.available,
        fact.per_minute,
        fact.typical_s,
        fact.measured_at,
        fact.stopped_until,
    )


def _json(values: Sequence[Model] | None) -> list[dict[str, Any]] | None:
    return None if values is None else [value.model_dump(mode="json") for value in values]
