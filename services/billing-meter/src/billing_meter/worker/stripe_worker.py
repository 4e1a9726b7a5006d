"""Does the work items of Stripe: each outside any transaction, its outcome recorded in one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from closet_chassis.leased_work import Claimed, LeasedWorker
from closet_chassis.worker import Wake
from closet_messaging.transaction import Begin
from prometheus_client import Gauge

from billing_meter.domain.stripe import TopupState, WorkKind, WorkState, retry_after
from billing_meter.domain.stripe_objects import StripeRefused, StripeUnavailable
from billing_meter.handlers.stripe import open_topup
from billing_meter.store import customers, stripe_work, topups
from billing_meter.store.stripe_work import WorkItem
from billing_meter.worker.stripe_actions import Record, StripeContext, perform

log = structlog.get_logger(__name__)

INTERVAL_S = 10.0

WORK_ITEMS = Gauge("closet_stripe_work", "Work with Stripe that waits, failed, or is ambiguous", ["kind", "state"])

_CONCURRENCY = 8
_TOPUPS_AT_ONCE = 32
_MEASURED = (WorkState.DUE, WorkState.FAILED, WorkState.AMBIGUOUS)


@dataclass(frozen=True)
class StripeWorker:
    """What a leased worker does with Stripe's work items; any number of replicas may run one.

    Args:
        context: what every action needs.
        wake: set when there may be something to do, also after each item: it may have led to another.
    """

    context: StripeContext
    wake: Wake = field(default_factory=Wake)

    def leased_worker(self) -> LeasedWorker[WorkItem]:
        """Return the worker to run."""
        return LeasedWorker("stripe", self.claim, self.work, self.renew, _CONCURRENCY, self.wake, INTERVAL_S)

    async def claim(self, limit: int) -> Claimed[WorkItem]:
        """Claim what is due."""
        async with self.context.begin() as tx:
            items = await stripe_work.claim(tx.conn, limit)
            seconds = await stripe_work.seconds_to_next(tx.conn)
        return Claimed(items, None if seconds is None else max(0.0, seconds))

    async def renew(self, items: Sequence[WorkItem]) -> None:
        """Prolong the leases of claimed items."""
        async with self.context.begin() as tx:
            await stripe_work.renew(tx.conn, items)

    async def work(self, item: WorkItem) -> None:
        """Do one item, and record how it ended."""
        try:
            await self._finish(item, await perform(self.context, item))
        except StripeRefused as refused:
            await self._fail(item, refused)
        except StripeUnavailable as error:
            await self._postpone(item, str(error))
        except Exception as error:
            # An item that we cannot do is tried again later, and keeps no others waiting.
            log.exception("stripe_work_failed", work_id=item.work_id, kind=item.kind)
            await self._postpone(item, type(error).__name__)
        finally:
            self.wake.set()

    async def _finish(self, item: WorkItem, record: Record) -> None:
        async with self.context.begin() as tx:
            if await stripe_work.finish(tx.conn, item, WorkState.DONE):
                await record(tx)

    async def _fail(self, item: WorkItem, refused: StripeRefused) -> None:
        log.error("stripe_refused", work_id=item.work_id, kind=item.kind, code=refused.code)
        async with self.context.begin() as tx:
            is_ours = await stripe_work.finish(tx.conn, item, WorkState.FAILED, refused.code)
            if is_ours and item.kind in {WorkKind.CHECKOUT, WorkKind.PAYMENT}:
                await topups.settle(tx.conn, item.work_id, TopupState.FAILED)

    async def _postpone(self, item: WorkItem, error: str) -> None:
        log.warning("stripe_unavailable", work_id=item.work_id, kind=item.kind, attempts=item.attempts, error=error)
        async with self.context.begin() as tx:
            await stripe_work.postpone(tx.conn, item, retry_after(item.attempts), error)


async def start_automatic_topups(begin: Begin, wake: Wake) -> bool:
    """Order a top-up for each wallet that fell below its tenant's threshold; a step of `work_loop`."""
    async with begin() as tx:
        for candidate in await customers.wallets_below_threshold(tx.conn, _TOPUPS_AT_ONCE):
            await open_topup(tx, candidate.tenant_id, candidate.wallet, candidate.credits, automatic=True)
            tx.after_commit(wake.set)
    return False


async def measure_work(begin: Begin) -> bool:
    """Measure how many items wait or need a person; a step of `work_loop`."""
    async with begin() as tx:
        counted = await stripe_work.counts(tx.conn)
    for kind in WorkKind:
        for state in _MEASURED:
            WORK_ITEMS.labels(kind, state.name.lower()).set(counted.get((kind, state), 0))
    return False
