"""The reaper: nothing stays open past its deadline."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from closet_chassis.telemetry import span_from
from closet_messaging.unit import Tx

from job_orchestrator import store
from job_orchestrator.domain.facts import DeadlinePassed
from job_orchestrator.handlers.advance import advance

LOOK_EVERY_S = 5.0
"""How late an end may be at most: a job accepted meanwhile may be due before the one the reaper sleeps for."""

_AT_ONCE = 100


async def expire_due(transaction: Callable[[], AbstractAsyncContextManager[Tx]]) -> bool | float:
    """End jobs past their deadline, a bounded number at a time; any number of replicas may run it.

    Returns:
        True if more may be due, else in how many seconds the next one is.
    """
    async with transaction() as tx:
        due = await store.lock_due(tx, _AT_ONCE)
        for row in due:
            with span_from(row.traceparent, "expire job"):
                advance(tx, row, DeadlinePassed(), None)
        if due:
            return True
        seconds = await store.seconds_to_next_deadline(tx)
    # Overdue, yet not ours to lock: a consumer is busy with it, or another replica ends it.
    return LOOK_EVERY_S if seconds is None or seconds <= 0 else min(seconds, LOOK_EVERY_S)
