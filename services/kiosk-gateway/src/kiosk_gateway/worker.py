"""Housekeeping: what no one can ask for any more goes."""

from closet_chassis.postgres import Pool

from kiosk_gateway.handlers.revocation import AGE
from kiosk_gateway.store import idempotency, quotes, revocations, sessions

EVERY_S = 600.0
AT_ONCE = 5000  # what one statement deletes in well under its time


async def keep_house(pool: Pool) -> bool:
    """Forget answers, sessions and quotes that are past their time; may there be more of them?"""
    async with pool.acquire() as conn:
        forgotten = (
            await idempotency.forget(conn, AT_ONCE),
            await sessions.forget_expired(conn, AT_ONCE),
            await quotes.forget(conn, AT_ONCE),
            await revocations.forget(conn, AGE, AT_ONCE),
        )
    return AT_ONCE in forgotten
