"""The sweeper: what nobody settled in time is given back, what expired is forgotten, balances are measured."""

from closet_chassis.telemetry import span_from
from closet_messaging.transaction import Begin, Tx
from prometheus_client import Gauge

from billing_meter.handlers.holds import release_expired
from billing_meter.handlers.promises import settle_promise
from billing_meter.handlers.receipts import expire_promotions
from billing_meter.store import accounts, due

LOOK_EVERY_S = 30.0

AVAILABLE = Gauge("closet_credits_available", "What a tenant may spend", ("tenant",))

_AT_ONCE = 100
_QUOTES_AT_ONCE = 1000


async def sweep(transaction: Begin) -> bool | float:
    """Release what expired, a bounded number at a time; any number of replicas may run it.

    Returns:
        True if there may be more, else in how many seconds to look again.
    """
    async with transaction() as tx:
        holds = await _release_holds(tx)
        forgotten = await due.forget_quotes(tx.conn, _QUOTES_AT_ONCE)
        await due.forget_work(tx.conn, _QUOTES_AT_ONCE)
        for tenant, available in (await accounts.all_available(tx.conn)).items():
            AVAILABLE.labels(tenant).set(available)
        seconds = await due.seconds_to_next_expiry(tx.conn)
    async with transaction() as tx:
        promises = await _settle_promises(tx)
    async with transaction() as tx:
        promotions = await _expire_promotions(tx)
    if _AT_ONCE in (holds, promises, promotions) or forgotten == _QUOTES_AT_ONCE:
        return True
    return max(min(seconds or LOOK_EVERY_S, LOOK_EVERY_S), 0.0)


async def _release_holds(tx: Tx) -> int:
    expired = await due.expired_holds(tx.conn, _AT_ONCE)
    for hold in expired:
        with span_from(hold.traceparent, "expire hold"):
            await release_expired(tx, hold)
    return len(expired)


async def _settle_promises(tx: Tx) -> int:
    expired = await due.expired_promises(tx.conn, _AT_ONCE)
    for promise_id, tenant in expired:
        await settle_promise(tx, promise_id, tenant, "expired")
    return len(expired)


async def _expire_promotions(tx: Tx) -> int:
    expired = await due.expired_promotions(tx.conn, _AT_ONCE)
    for tenant, wallet in expired:
        await expire_promotions(tx, tenant, wallet)
    return len(expired)
