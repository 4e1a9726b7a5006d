"""Movements of credits: each is one call of one function of migrations/0005, 0006 and 0010."""

from collections.abc import Sequence
from dataclasses import dataclass

from closet_messaging.transaction import Connection

from billing_meter.domain.movements import Correction, Hold, Movement, Promise, Receipt, Reversal


@dataclass(frozen=True, slots=True)
class JobRef:
    """A job, as far as its money knows it."""

    job_id: str
    tenant_id: str
    traceparent: str | None


async def receive(conn: Connection, receipt: Receipt) -> Movement:
    """`granted`, `known` (booked before) or `refused` (the receipt was booked for something else)."""
    return await _movement(conn, "SELECT * FROM receive_credits($1, $2, $3, $4, $5, $6, $7, $8)", *receipt)


async def hold(conn: Connection, hold: Hold) -> Movement:
    """`held`, `denied` (not enough available), `suspended` (nothing is held for it) or `known` (decided before)."""
    return await _movement(conn, "SELECT * FROM hold_credits($1, $2, $3, $4, $5, $6)", *hold)


async def capture(conn: Connection, job: JobRef, credits: int) -> Movement:
    """`captured`, `known`, `lost` (nothing is held any more; noted once) or `missing` (no hold was ever asked for)."""
    sql = "SELECT * FROM capture_credits($1, $2, $3, $4)"
    return await _movement(conn, sql, job.job_id, job.tenant_id, credits, job.traceparent)


async def release(conn: Connection, job: JobRef, reason: str) -> Movement:
    """`released`, `known`, or `barred` (there was no hold yet, and there will be none)."""
    sql = "SELECT * FROM release_credits($1, $2, $3, $4)"
    return await _movement(conn, sql, job.job_id, job.tenant_id, reason, job.traceparent)


async def refund(conn: Connection, correction: Correction) -> Movement:
    """`refunded`, `known` (that number was booked before) or `refused` (no such job, or its charge was smaller)."""
    return await _movement(conn, "SELECT * FROM refund_credits($1, $2, $3, $4, $5, $6)", *correction)


async def adjust(conn: Connection, correction: Correction) -> Movement:
    """`adjusted`, `known` or `refused` (that much is not available)."""
    return await _movement(conn, "SELECT * FROM adjust_credits($1, $2, $3, $4, $5, $6)", *correction)


async def reverse(conn: Connection, reversal: Reversal) -> Movement:
    """`reversed` (`credits`: as many as were still there) or `known`."""
    return await _movement(conn, "SELECT * FROM reverse_credits($1, $2, $3, $4, $5)", *reversal)


async def reinstate(conn: Connection, reversal: Reversal) -> Movement:
    """`reinstated` or `known`."""
    return await _movement(conn, "SELECT * FROM reinstate_credits($1, $2, $3, $4, $5)", *reversal)


async def expire(conn: Connection, tenant_id: str, wallet: str) -> Movement:
    """`expired`, or `known`: no promotion of the wallet has."""
    return await _movement(conn, "SELECT * FROM expire_promotions($1, $2)", tenant_id, wallet)


async def promise(conn: Connection, promise: Promise) -> Movement:
    """`promised`, `denied`, `suspended`, `known`, or `refused` (the id was used for something else)."""
    return await _movement(conn, "SELECT * FROM promise_credits($1, $2, $3, $4, $5)", *promise)


async def draw(conn: Connection, hold: Hold) -> Movement:
    """`held`, `denied` (beyond the promise, or it is settled), `known`, or `missing` (no such promise)."""
    return await _movement(conn, "SELECT * FROM draw_credits($1, $2, $3, $4, $5, $6)", *hold)


async def settle(conn: Connection, promise_id: str, tenant_id: str, reason: str) -> Movement:
    """`settled`, `known` or `missing`."""
    return await _movement(conn, "SELECT * FROM settle_promise($1, $2, $3)", promise_id, tenant_id, reason)


async def note_told(conn: Connection, wallet: str, threshold: int | None) -> None:
    """Remember which threshold was told of. The wallet is locked by the movement before."""
    await conn.execute("UPDATE balances SET told_low = $2 WHERE account_id = $1", wallet, threshold)


async def set_thresholds(conn: Connection, wallet: str, low_at: Sequence[int]) -> bool:
    """Falling below each of these is told from now on; False if there is no such wallet."""
    tag = await conn.execute("UPDATE balances SET low_at = $2, told_low = NULL WHERE account_id = $1", wallet, low_at)
    return tag == "UPDATE 1"


async def _movement(conn: Connection, sql: str, *args: object) -> Movement:
    row = await conn.fetchrow(sql, *args)
    if row is None:
        raise RuntimeError("the ledger's function answered nothing")
    return Movement(**row)
