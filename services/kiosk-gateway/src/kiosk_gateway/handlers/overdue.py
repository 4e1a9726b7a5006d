"""Jobs that nobody has ended: whoever took them on sees to it that they end, whatever became of their events."""

from datetime import UTC, datetime
from functools import partial

import structlog
from closet_contracts.job import JobExpired
from closet_contracts.ownership import Service
from closet_messaging.transaction import Begin
from prometheus_client import Counter

from kiosk_gateway.domain.jobs import PRESUMED_EXPIRED
from kiosk_gateway.handlers.waiting import Doorbell
from kiosk_gateway.store.jobs import lock_overdue
from kiosk_gateway.store.projection import apply

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
_AT_ONCE = 100
PRESUMED = Counter("closet_jobs_presumed_expired_total", "Jobs that were ended here, because nobody had told of an end")


async def end_overdue(begin: Begin, doorbell: Doorbell, overdue_s: float) -> bool:
    """End jobs whose deadline passed `overdue_s` seconds ago, a bounded number at a time; may there be more of them?

    The line in their timeline is that of the end that job-orchestrator would tell. If it tells of the same later,
    nothing changes; if it had ended the job otherwise, its word counts.
    """
    async with begin() as tx:
        overdue = await lock_overdue(tx.conn, overdue_s, _AT_ONCE)
        for job_id in overdue:
            apply(tx, job_id, JobExpired.TYPE, Service.KIOSK_GATEWAY, datetime.now(UTC), PRESUMED_EXPIRED)
            tx.after_commit(partial(doorbell.changed, job_id))
        tx.after_commit(partial(PRESUMED.inc, len(overdue)))
    if overdue:
        log.error("jobs_without_an_end", jobs=overdue)
    return len(overdue) == _AT_ONCE
