"""The sweeper: holds that nobody settled are given back, quotes long expired are forgotten, balances are measured."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from closet_chassis.telemetry import span_from
from closet_messaging.unit import Tx
from prometheus_client import Gauge

from billing_meter import handlers, store

LOOK_EVERY_S = 30.0

AVAILABLE = Gauge("closet_credits_available", "What a tenant may spend", ("tenant",))

_AT_ONCE = 100
_QUOTES_AT_ONCE = 1000


async def sweep(transaction: Callable[[], AbstractAsyncContextManager[Tx]]) -> bool | float:
    """Release expired holds, a bounded number at a time; any number of replicas may run it.

    Returns:
        True if there may be more, else in how many seconds to look again.
    """
    async with transaction() as tx:
        expired = await store.expired_holds(tx.conn, _AT_ONCE)
        for hold in expired:
            with span_from(hold.traceparent, "expire hold"):
                await handlers.release_expired(tx, hold)
        forgotten = await store.forget_quotes(tx.conn, _QUOTES_AT_ONCE)
        for tenant, available in (await store.all_available(tx.conn)).items():
            AVAILABLE.labels(tenant).set(available)
        seconds = await store.seconds_to_next_expiry(tx.conn)
    if len(expired) == _AT_ONCE or forgotten == _QUOTES_AT_ONCE:
        return True
    return max(min(seconds or LOOK_EVERY_S, LOOK_EVERY_S), 0.0)
