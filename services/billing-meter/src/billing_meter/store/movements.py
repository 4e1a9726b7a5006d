"""Movements of credits: each calls one function of `migrations/functions`, where its rule stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection

from billing_meter.domain.movements import Correction, Hold, Movement, OfflineReserve, Receipt, Reversal
from billing_meter.domain.outcomes import (
    AdjustmentOutcome,
    CaptureOutcome,
    DrawOutcome,
    ExpiryOutcome,
    HoldOutcome,
    ReceiptOutcome,
    RefundOutcome,
    ReinstatementOutcome,
    ReleaseOutcome,
    ReserveOutcome,
    ReversalOutcome,
    SettlementOutcome,
)

OutcomeT = TypeVar("OutcomeT", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class JobRef:
    """A job, as far as its money knows it."""

    job_id: str
    tenant_id: str
    traceparent: str | None


async def receive(conn: Connection, receipt: Receipt) -> Movement[ReceiptOutcome]:
    """Book credits that come in."""
    return await _call(conn, ReceiptOutcome, "receive_credits($1, $2, $3, $4, $5, $6, $7, $8)", *receipt)


async def hold(conn: Connection, hold: Hold) -> Movement[HoldOutcome]:
    """Set a job's price aside in a wallet."""
    return await _call(conn, HoldOutcome, "hold_credits($1, $2, $3, $4, $5, $6)", *hold)


async def capture(conn: Connection, job: JobRef, credits: int) -> Movement[CaptureOutcome]:
    """Charge a job to its hold, at most what is held; give the rest back."""
    function = "capture_credits($1, $2, $3, $4)"
    return await _call(conn, CaptureOutcome, function, job.job_id, job.tenant_id, credits, job.traceparent)


async def release(conn: Connection, job: JobRef, reason: str) -> Movement[ReleaseOutcome]:
    """Give a hold back, or see to it that there will be none."""
    function = "release_credits($1, $2, $3, $4)"
    return await _call(conn, ReleaseOutcome, function, job.job_id, job.tenant_id, reason, job.traceparent)


async def refund(conn: Connection, correction: Correction) -> Movement[RefundOutcome]:
    """Return credits of a charged job."""
    return await _call(conn, RefundOutcome, "refund_credits($1, $2, $3, $4, $5, $6)", *correction)


async def adjust(conn: Connection, correction: Correction) -> Movement[AdjustmentOutcome]:
    """Put a balance right, up or down."""
    return await _call(conn, AdjustmentOutcome, "adjust_credits($1, $2, $3, $4, $5, $6)", *correction)


async def reverse(conn: Connection, reversal: Reversal) -> Movement[ReversalOutcome]:
    """Take back credits whose money went back; `credits` of the answer are those that were still there."""
    return await _call(conn, ReversalOutcome, "reverse_credits($1, $2, $3, $4, $5)", *reversal)


async def reinstate(conn: Connection, reversal: Reversal) -> Movement[ReinstatementOutcome]:
    """Return credits that a reversal took."""
    return await _call(conn, ReinstatementOutcome, "reinstate_credits($1, $2, $3, $4, $5)", *reversal)


async def expire(conn: Connection, tenant_id: str, wallet: str) -> Movement[ExpiryOutcome]:
    """Take back what is left of promotions that have expired."""
    return await _call(conn, ExpiryOutcome, "expire_promotions($1, $2)", tenant_id, wallet)


async def reserve(conn: Connection, reserve: OfflineReserve) -> Movement[ReserveOutcome]:
    """Set credits aside for a device's offline work."""
    return await _call(conn, ReserveOutcome, "promise_credits($1, $2, $3, $4, $5)", *reserve)


async def draw_down(conn: Connection, hold: Hold) -> Movement[DrawOutcome]:
    """Hold a job's price out of a reserve, never beyond it."""
    return await _call(conn, DrawOutcome, "draw_credits($1, $2, $3, $4, $5, $6)", *hold)


async def settle_reserve(conn: Connection, reserve_id: str, tenant_id: str, reason: str) -> Movement[SettlementOutcome]:
    """End a reserve; what no job has drawn is available again."""
    return await _call(conn, SettlementOutcome, "settle_promise($1, $2, $3)", reserve_id, tenant_id, reason)


async def set_notified_threshold(conn: Connection, wallet: str, threshold: int | None) -> None:
    """Remember at which threshold a low balance was published. The wallet is locked by the movement before."""
    await conn.execute("UPDATE balances SET told_low = $2 WHERE account_id = $1", wallet, threshold)


async def set_thresholds(conn: Connection, wallet: str, thresholds: Sequence[int]) -> bool:
    """Publish a low balance below each of these from now on; return False if there is no such wallet."""
    sql = "UPDATE balances SET low_at = $2, told_low = NULL WHERE account_id = $1"
    return affected(await conn.execute(sql, wallet, thresholds)) == 1


async def _call(conn: Connection, outcome: type[OutcomeT], function: str, *args: object) -> Movement[OutcomeT]:
    row = await conn.fetchrow(f"SELECT * FROM {function}", *args)  # noqa: S608 our own functions, by name
    if row is None:
        raise RuntimeError("the ledger's function answered nothing")
    return Movement(
        outcome=outcome(row["outcome"]),
        credits=row["credits"],
        balance=row["balance"],
        held=row["held"],
        version=row["version"],
        wallet=row["wallet"],
        thresholds=row["low_at"],
        notified_threshold=row["told_low"],
    )
