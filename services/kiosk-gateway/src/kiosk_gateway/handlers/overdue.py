"""End jobs that nobody else has ended, whatever became of their events."""

from datetime import UTC, datetime
from functools import partial

import structlog
from closet_contracts.job import JobExpired
from closet_contracts.ownership import Service
from closet_messaging.transaction import Begin
from prometheus_client import Counter

from kiosk_gateway.domain.jobs import PRESUMED_EXPIRED
from kiosk_gateway.handlers.projection import JobChangeNotifier
from kiosk_gateway.store.jobs import lock_overdue
from kiosk_gateway.store.projection import apply_change

log = structlog.get_logger(__name__)

OVERDUE_INTERVAL_S = 5.0
_BATCH_SIZE = 100
PRESUMED = Counter(
    "closet_jobs_presumed_expired_total", "Jobs that kiosk-gateway ended because no end had been published in time"
)


async def expire_overdue(begin: Begin, notifier: JobChangeNotifier, overdue_s: float) -> bool:
    """End jobs whose deadline passed `overdue_s` seconds ago, at most `_BATCH_SIZE`; return whether more may remain.

    The timeline entry is that of the end that job-orchestrator would publish. If job-orchestrator publishes the same
    end later, nothing changes; if it had ended the job differently, its end replaces this one.
    """
    async with begin() as tx:
        overdue = await lock_overdue(tx.conn, overdue_s, _BATCH_SIZE)
        for job_id in overdue:
            apply_change(tx, job_id, JobExpired.TYPE, Service.KIOSK_GATEWAY, datetime.now(UTC), PRESUMED_EXPIRED)
            tx.after_commit(partial(notifier.mark_changed, job_id))
        tx.after_commit(partial(PRESUMED.inc, len(overdue)))
    if overdue:
        log.error("overdue_jobs_expired", jobs=overdue)
    return len(overdue) == _BATCH_SIZE
