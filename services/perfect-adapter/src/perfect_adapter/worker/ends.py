"""How a render begins and ends: its state and the event that tells of it, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded, ResultFile
from closet_messaging import outbox
from closet_messaging.transaction import Tx
from prometheus_client import Counter

from perfect_adapter.domain.errors import Failure
from perfect_adapter.domain.renders import elapsed_ms
from perfect_adapter.store import ledger, renders
from perfect_adapter.store.render import Render

ENDED = Counter("closet_renders_ended_total", "Renders that ended, by what came of them", ["outcome"])


@dataclass(frozen=True, slots=True)
class Fail:
    """No picture, and why. `vendor_ended`: when the vendor's part was over, if it had begun."""

    failure: Failure
    vendor_code: str | None = None
    vendor_ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The pictures are in the tenant's results."""

    results: tuple[ResultFile, ...]
    vendor_ended: datetime


def started(render: Render, task_id: str) -> RenderStarted:
    """The news of its beginning. Whose task it is at the vendor cannot be found out there."""
    return RenderStarted(
        job_id=render.job_id,
        item=render.item,
        attempt=render.attempt,
        vendor_task_id=task_id,
        vendor_key=render.key or None,
    )


async def succeed(tx: Tx, done: Sequence[tuple[Render, Done]]) -> None:
    """End these, with their results."""
    if not done:
        return
    calls = await ledger.count_of(tx.conn, [render.render_id for render, _ in done])
    await renders.mark_done(tx.conn, [render.render_id for render, _ in done])
    for render, end in done:
        event = RenderSucceeded(
            job_id=render.job_id,
            item=render.item,
            attempt=render.attempt,
            vendor_calls=calls.get(render.render_id, 0),
            vendor_ms=_vendor_ms(render, end.vendor_ended),
            results=end.results,
        )
        outbox.add(tx, event, tenant=render.tenant_id, cause=render)
        tx.after_commit(partial(ENDED.labels("succeeded").inc))


async def fail(tx: Tx, failed: Sequence[tuple[Render, Fail]]) -> None:
    """End these, without."""
    if not failed:
        return
    calls = await ledger.count_of(tx.conn, [render.render_id for render, _ in failed])
    await renders.mark_failed(tx.conn, [(one.render_id, end.failure.code, end.vendor_code) for one, end in failed])
    for render, end in failed:
        event = RenderFailed(
            job_id=render.job_id,
            item=render.item,
            attempt=render.attempt,
            vendor_calls=calls.get(render.render_id, 0),
            vendor_ms=_vendor_ms(render, end.vendor_ended),
            code=end.failure.code,
            message=end.failure.message,
            tip=end.failure.tip,
            retryable=end.failure.retryable,
            vendor_code=end.vendor_code,
        )
        outbox.add(tx, event, tenant=render.tenant_id, cause=render)
        tx.after_commit(partial(ENDED.labels(end.failure.code).inc))


def _vendor_ms(render: Render, ended: datetime | None) -> int:
    if render.task_began_at is None or ended is None:
        return 0
    return elapsed_ms(render.task_began_at.timestamp(), min(ended, render.told_at or ended).timestamp())
