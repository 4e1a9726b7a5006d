"""The reaper: nothing stays open past its deadline, and whatever is to stop does."""

from collections.abc import Sequence

from closet_chassis.telemetry import span_from
from closet_messaging.transaction import Begin, Tx

from job_orchestrator.domain.facts import ConsentWithdrawn, DeadlinePassed, Fact, SettlementDue
from job_orchestrator.handlers.advance import advance
from job_orchestrator.store import jobs, withdrawals
from job_orchestrator.store.jobs import Row

LOOK_EVERY_S = 5.0
"""How late an end may be at most: a job accepted meanwhile may be due before the one the reaper sleeps for."""

_AT_ONCE = 100
_HELD_BY_OTHERS_S = 0.5


async def expire_due(begin: Begin) -> bool | float:
    """End jobs past their deadline, and cancelled ones that have waited long enough, a bounded number at a time.

    Any number of replicas may run it.

    Returns:
        True if more may be due, else in how many seconds the next one is.
    """
    async with begin() as tx:
        overdue = await jobs.lock_due(tx, _AT_ONCE)
        _end(tx, overdue, DeadlinePassed(), "expire job")
        settling = await jobs.lock_settling(tx, _AT_ONCE)
        _end(tx, settling, SettlementDue(), "settle cancelled job")
        if overdue or settling:
            return True
        seconds = await jobs.seconds_to_next_due(tx)
    # OverdueMonitor, yet not ours to lock: a consumer is busy with it, or another replica ends it.
    return LOOK_EVERY_S if seconds is None or seconds <= 0 else min(seconds, LOOK_EVERY_S)


async def stop_withdrawn(begin: Begin) -> bool | float:
    """Stop the jobs of persons who have withdrawn consent, a portion at a time, so that it holds up nobody.

    What is stopped stays so: whoever takes over after a crash goes on with the rest.

    Returns:
        True if there may be more, False if there is none, else in how many seconds to look again.
    """
    async with begin() as tx:
        withdrawal = await withdrawals.lock_pending_withdrawal(tx)
        if withdrawal is None:
            return False
        person, at = (withdrawal.tenant_id, withdrawal.user_id), withdrawal.withdrawn_at
        rows = await jobs.lock_withdrawn(tx, person, at, _AT_ONCE)
        _end(tx, rows, ConsentWithdrawn(at), "stop withdrawn job")
        return True if rows or await withdrawals.settle_withdrawal(tx, withdrawal) else _HELD_BY_OTHERS_S


def _end(tx: Tx, rows: Sequence[Row], fact: Fact, span: str) -> None:
    for row in rows:
        with span_from(row.traceparent, span):
            advance(tx, row, fact, None)
