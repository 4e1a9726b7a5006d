"""Many holds at once on an account that covers few of them."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from billing_meter.domain.movements import Receipt, wallet_of
from billing_meter.settings import Settings
from billing_meter.store import movements
from billing_meter.store.prices import PriceBooks
from billing_meter.subscriptions import subscriptions
from closet_chassis.postgres import Pool
from closet_contracts.credit import Price
from closet_contracts.envelope import Event, new_event
from closet_contracts.ids import new_id
from closet_contracts.job import JobAccepted
from closet_contracts.ownership import Service
from closet_contracts.work import TryOn
from closet_messaging.inbox import BatchProcessor
from closet_messaging.transaction import OutboxRow

HOLDS = 200
COVERED = 50
PRICE = 5


class _NoSink:
    service = Service.BILLING_METER

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        """What was emitted stays in the outbox."""


async def hold_at_once(pool: Pool, tenant: str = "crowd", holds: int = HOLDS) -> tuple[int, list[float]]:
    """How many holds succeeded, and how long each took from being brought to being committed, in milliseconds."""
    async with pool.acquire() as conn:
        receipt = Receipt("grant", f"receipt:{tenant}", tenant, wallet_of(tenant), COVERED * PRICE, "a crowd")
        await movements.receive(conn, receipt)
    handlers = subscriptions(Settings(database_url="", nats_url=""), PriceBooks())
    processor = BatchProcessor(pool, _NoSink(), handlers)
    times = await asyncio.gather(*(_timed(processor, _accepted(tenant)) for _ in range(holds)))
    held = await pool.fetchval("SELECT count(*) FROM holds WHERE state = 'held' AND tenant_id = $1", tenant)
    return int(held), list(times)


async def _timed(processor: BatchProcessor, event: Event[Any]) -> float:
    start = time.perf_counter()
    await processor.process_batch([event])
    return (time.perf_counter() - start) * 1000


def _accepted(tenant: str) -> Event[Any]:
    data = JobAccepted(
        job_id=new_id("job"),
        user_id="u-1",
        version=1,
        work=TryOn(),
        inputs=(),
        price=Price(credits=PRICE, usd_cents=PRICE * 10, book_version="2026-01"),
        deadline=datetime.now(UTC) + timedelta(minutes=15),
    )
    return new_event(data, tenant=tenant)
