"""The sweeper: releases what nobody settled in time, deletes what is old, measures balances."""

from closet_chassis.telemetry import span_from
from closet_messaging.transaction import Begin, Tx
from prometheus_client import Gauge

from billing_meter.handlers.holds import release_expired
from billing_meter.handlers.offline_reserves import settle_reserve
from billing_meter.handlers.receipts import expire_promotions
from billing_meter.store import accounts, expiries

INTERVAL_S = 30.0

AVAILABLE = Gauge("closet_credits_available", "Credits that a tenant may spend", ("tenant",))

_AT_ONCE = 100
_DELETED_AT_ONCE = 1000


async def sweep(transaction: Begin) -> bool | float:
    """Release what expired, a bounded number at a time; any number of replicas may run it.

    Returns:
        True if there may be more, else in how many seconds to look again.
    """
    async with transaction() as tx:
        holds = await _release_holds(tx)
        deleted = await expiries.delete_expired_quotes(tx.conn, _DELETED_AT_ONCE)
        await expiries.delete_old_work(tx.conn, _DELETED_AT_ONCE)
        for tenant, available in (await accounts.available_by_tenant(tx.conn)).items():
            AVAILABLE.labels(tenant).set(available)
        seconds = await expiries.seconds_to_next_expiry(tx.conn)
    async with transaction() as tx:
        reserves = await _settle_reserves(tx)
    async with transaction() as tx:
        promotions = await _expire_promotions(tx)
    if _AT_ONCE in (holds, reserves, promotions) or deleted == _DELETED_AT_ONCE:
        return True
    return max(min(seconds or INTERVAL_S, INTERVAL_S), 0.0)


async def _release_holds(tx: Tx) -> int:
    expired = await expiries.expired_holds(tx.conn, _AT_ONCE)
    for hold in expired:
        with span_from(hold.traceparent, "expire hold"):
            await release_expired(tx, hold)
    return len(expired)


async def _settle_reserves(tx: Tx) -> int:
    expired = await expiries.expired_reserves(tx.conn, _AT_ONCE)
    for reserve_id, tenant in expired:
        await settle_reserve(tx, reserve_id, tenant, "expired")
    return len(expired)


async def _expire_promotions(tx: Tx) -> int:
    expired = await expiries.expired_promotions(tx.conn, _AT_ONCE)
    for tenant, wallet in expired:
        await expire_promotions(tx, tenant, wallet)
    return len(expired)
