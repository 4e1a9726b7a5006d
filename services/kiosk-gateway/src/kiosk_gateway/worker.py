"""Housekeeping: delete what has expired."""

from closet_chassis.postgres import Pool

from kiosk_gateway.handlers.revocation import MAX_AGE
from kiosk_gateway.store import billing, idempotency, revocations, sessions

PURGE_INTERVAL_S = 600.0
BATCH_SIZE = 5000  # one statement deletes as many well within its timeout


async def purge_expired(pool: Pool) -> bool:
    """Delete a batch of expired answers, sessions, quotes and revocations; return whether more may remain."""
    async with pool.acquire() as conn:
        deleted = (
            await idempotency.delete_expired(conn, BATCH_SIZE),
            await sessions.delete_expired(conn, BATCH_SIZE),
            await billing.delete_expired_quotes(conn, BATCH_SIZE),
            await revocations.delete_expired(conn, MAX_AGE, BATCH_SIZE),
        )
    return BATCH_SIZE in deleted
