"""Deals with Stripe: takes what is due, does it outside any transaction, records how it ended."""

import asyncio

import structlog
from closet_messaging.transaction import Tx
from prometheus_client import Gauge

from billing_meter.domain.stripe import retry_after
from billing_meter.handlers.stripe import open_topup
from billing_meter.ports import Refused, Unavailable
from billing_meter.store import customers, topups, work
from billing_meter.store.work import Work
from billing_meter.worker.actions import ACTIONS, Desk, Record

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 10.0

WAITING = Gauge("closet_stripe_work", "Work with Stripe that waits, failed, or is doubtful", ["kind", "state"])

_AT_ONCE = 32
_WIDTH = 8


class Clerk:
    """Any number of replicas may have one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._room = asyncio.Semaphore(_WIDTH)

    async def step(self) -> bool | float:
        """Do what is due; answers as `work_loop` wants it."""
        async with self._desk.begin() as tx:
            claimed = await work.claim(tx.conn, _AT_ONCE)
        await asyncio.gather(*(self._do(one) for one in claimed))
        async with self._desk.begin() as tx:
            await _top_up_the_thirsty(tx)
            await _measure(tx)
            seconds = await work.seconds_to_next(tx.conn)
        return max(0.0, LOOK_EVERY_S if seconds is None else seconds)

    async def _do(self, one: Work) -> None:
        async with self._room:
            try:
                record = await ACTIONS[one.kind](self._desk, one)
                await self._finish(one, record)
            except Refused as refused:
                await self._fail(one, refused)
            except Unavailable as error:
                await self._postpone(one, str(error))
            except Exception as error:
                # One that we cannot do must not keep the others from being done.
                log.exception("stripe_work_failed", work_id=one.work_id, kind=one.kind)
                await self._postpone(one, type(error).__name__)

    async def _finish(self, one: Work, record: Record) -> None:
        async with self._desk.begin() as tx:
            if await work.finish(tx.conn, one, "done"):
                await record(tx)

    async def _fail(self, one: Work, refused: Refused) -> None:
        log.error("stripe_refused", work_id=one.work_id, kind=one.kind, code=refused.code)
        async with self._desk.begin() as tx:
            if await work.finish(tx.conn, one, "failed", refused.code) and one.kind in {"checkout", "payment"}:
                await topups.settle(tx.conn, one.work_id, "failed")

    async def _postpone(self, one: Work, error: str) -> None:
        log.warning("stripe_unavailable", work_id=one.work_id, kind=one.kind, attempts=one.attempts, error=error)
        async with self._desk.begin() as tx:
            await work.postpone(tx.conn, one, retry_after(one.attempts), error)


async def _top_up_the_thirsty(tx: Tx) -> None:
    for one in await customers.thirsty(tx.conn, _AT_ONCE):
        await open_topup(tx, one.tenant_id, one.wallet, one.credits, automatic=True)


async def _measure(tx: Tx) -> None:
    counted = await work.counts(tx.conn)
    for kind in ACTIONS:
        for state in ("due", "failed", "doubtful"):
            WAITING.labels(kind, state).set(counted.get((kind, state), 0))
