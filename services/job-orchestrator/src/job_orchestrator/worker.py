"""The reaper, which ends jobs past their deadline, and the worker that stops jobs after a withdrawal of consent."""

from collections.abc import Sequence

from closet_chassis.telemetry import span_from
from closet_messaging.transaction import Begin, Tx

from job_orchestrator.domain.facts import ConsentWithdrawn, DeadlinePassed, Fact, SettlementDue
from job_orchestrator.handlers.advance import advance
from job_orchestrator.store import jobs, withdrawals
from job_orchestrator.store.jobs import JobRow

POLL_INTERVAL_S = 5.0
"""The longest sleep, and so the most that an end is late: a job accepted meanwhile may be due first."""

_BATCH_SIZE = 100
_LOCKED_RETRY_S = 0.5


async def end_due_jobs(begin: Begin) -> bool | float:
    """End a batch of jobs past their deadline, and of cancelled jobs that have waited long enough.

    Any number of replicas may run it.

    Returns:
        True if more may be due, else the seconds until the next job is due.
    """
    async with begin() as tx:
        overdue = await jobs.lock_due(tx, _BATCH_SIZE)
        _end(tx, overdue, DeadlinePassed(), "expire job")
        settling = await jobs.lock_settling(tx, _BATCH_SIZE)
        _end(tx, settling, SettlementDue(), "settle cancelled job")
        if overdue or settling:
            return True
        seconds = await jobs.seconds_to_next_due(tx)
    # An overdue job that could not be locked: a consumer works on it, or another replica ends it.
    return POLL_INTERVAL_S if seconds is None or seconds <= 0 else min(seconds, POLL_INTERVAL_S)


async def stop_withdrawn_jobs(begin: Begin) -> bool | float:
    """Stop a batch of the jobs of a person who has withdrawn consent.

    Each batch is a transaction, so that it delays no other work and another replica can continue after a crash.

    Returns:
        True if there may be more, False if there is none, else the seconds until the next try.
    """
    async with begin() as tx:
        withdrawal = await withdrawals.lock_pending_withdrawal(tx)
        if withdrawal is None:
            return False
        person, at = (withdrawal.tenant_id, withdrawal.user_id), withdrawal.withdrawn_at
        rows = await jobs.lock_withdrawn(tx, person, at, _BATCH_SIZE)
        _end(tx, rows, ConsentWithdrawn(at), "stop withdrawn job")
        return True if rows or await withdrawals.complete_withdrawal(tx, withdrawal) else _LOCKED_RETRY_S


def _end(tx: Tx, rows: Sequence[JobRow], fact: Fact, span: str) -> None:
    for row in rows:
        with span_from(row.traceparent, span):
            advance(tx, row, fact, None)
