"""Writing of outcomes, retried for as long as the database is unavailable."""

import asyncio
from typing import TypeVar

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.postgres import is_unavailable

from perfect_adapter.quota.backoff import Backoff

log = structlog.get_logger(__name__)
T = TypeVar("T")

RETRY_WRITE = Backoff(0.5, 5.0)


async def write_outcome(writer: Batcher[T, None], outcome: T) -> None:
    """Write an outcome, however long the database is unavailable: the vendor's answer is known only to this process.

    The writer handles a lease that was lost meanwhile, and an outcome that had been written after all.
    """
    failures = 0
    while True:
        try:
            return await writer.submit(outcome)
        except Exception as error:
            if not is_unavailable(error):
                raise
            failures += 1
            log.warning("outcome_not_written", error=type(error).__name__, failures=failures)
            await asyncio.sleep(RETRY_WRITE.draw_s(failures))
