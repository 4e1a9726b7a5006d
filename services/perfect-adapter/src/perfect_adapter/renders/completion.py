"""Start and end of a render: its state and its event, in one transaction, retried while the database is unavailable."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.postgres import is_unavailable
from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded, ResultFile
from closet_messaging import outbox
from closet_messaging.transaction import Tx
from prometheus_client import Counter

from perfect_adapter.quota import call_log
from perfect_adapter.quota.backoff import Backoff
from perfect_adapter.renders import store
from perfect_adapter.renders.render import Render
from perfect_adapter.renders.states import elapsed_ms
from perfect_adapter.vendor.errors import FailureReason

log = structlog.get_logger(__name__)
T = TypeVar("T")

RETRY_WRITE = Backoff(0.5, 5.0)

ENDED = Counter("closet_renders_ended_total", "Renders that ended, by outcome", ["outcome"])


@dataclass(frozen=True, slots=True)
class Failure:
    """A render without a picture, and why. `vendor_ended_at`: when the vendor's part ended, if it had started."""

    reason: FailureReason
    vendor_code: str | None = None
    vendor_ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Success:
    """A render whose pictures are in the tenant's results."""

    results: tuple[ResultFile, ...]
    vendor_ended_at: datetime


def started_event(render: Render, task_id: str) -> RenderStarted:
    """Return the event of its start. The key is in it because the vendor does not tell whose task it is."""
    return RenderStarted(
        job_id=render.job_id,
        item=render.item,
        attempt=render.attempt,
        vendor_task_id=task_id,
        vendor_key=render.key or None,
    )


async def succeed(tx: Tx, done: Sequence[tuple[Render, Success]]) -> None:
    """End these renders with their results."""
    if not done:
        return
    calls = await call_log.count_by_render(tx.conn, [render.render_id for render, _ in done])
    await store.mark_done(tx.conn, [render.render_id for render, _ in done])
    for render, end in done:
        event = RenderSucceeded(
            job_id=render.job_id,
            item=render.item,
            attempt=render.attempt,
            vendor_calls=calls.get(render.render_id, 0),
            vendor_ms=_vendor_ms(render, end.vendor_ended_at),
            results=end.results,
        )
        outbox.add(tx, event, tenant=render.tenant_id, cause=render.cause)
        tx.after_commit(partial(ENDED.labels("succeeded").inc))


async def fail(tx: Tx, failed: Sequence[tuple[Render, Failure]]) -> None:
    """End these renders without a picture."""
    if not failed:
        return
    calls = await call_log.count_by_render(tx.conn, [render.render_id for render, _ in failed])
    await store.mark_failed(tx.conn, [(one.render_id, end.reason.code, end.vendor_code) for one, end in failed])
    for render, end in failed:
        event = RenderFailed(
            job_id=render.job_id,
            item=render.item,
            attempt=render.attempt,
            vendor_calls=calls.get(render.render_id, 0),
            vendor_ms=_vendor_ms(render, end.vendor_ended_at),
            code=end.reason.code,
            message=end.reason.message,
            tip=end.reason.tip,
            retryable=end.reason.retryable,
            vendor_code=end.vendor_code,
        )
        outbox.add(tx, event, tenant=render.tenant_id, cause=render.cause)
        tx.after_commit(partial(ENDED.labels(end.reason.code).inc))


def _vendor_ms(render: Render, ended: datetime | None) -> int:
    if render.task_started_at is None or ended is None:
        return 0
    return elapsed_ms(render.task_started_at.timestamp(), min(ended, render.webhook_at or ended).timestamp())


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
