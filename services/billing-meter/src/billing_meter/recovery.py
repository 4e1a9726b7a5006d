"""`python -m billing_meter recover`: rebuilds the ledger from the events of jobs and of this service."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import assert_never

from closet_contracts.credit import CreditBalanceChanged, CreditDenied, CreditHeld, CreditReleased
from closet_contracts.envelope import Event
from closet_contracts.job import JobAccepted
from closet_contracts.ownership import Service
from closet_messaging.transaction import Tx
from closet_recovery.command import parser, run
from closet_recovery.recovery import EMITTED, Diverged, Plan

from billing_meter.domain.movements import Hold, hold_expiry, wallet_of
from billing_meter.domain.outcomes import HoldOutcome
from billing_meter.handlers import holds
from billing_meter.settings import Settings
from billing_meter.store import accounts, movements
from billing_meter.store.movements import JobRef
from billing_meter.store.prices import PriceBooks
from billing_meter.subscriptions import subscriptions


def main(arguments: Sequence[str]) -> int:
    """Recover; see `closet_recovery.command.run`."""
    return run(Settings, "billing_meter", plan, parser("billing_meter").parse_args(arguments))


def plan(settings: Settings) -> Plan:
    """Return how this service recovers: a price is held if it was held before, whatever quote or book it came from."""
    books, missing = PriceBooks(), dict[str, int]()
    hold = partial(_repeat_hold, books, settings.hold_ttl)
    return Plan(
        service=Service.BILLING_METER,
        handlers={**subscriptions(settings, books), JobAccepted: hold},
        facts={CreditReleased: _repeat_release, CreditBalanceChanged: partial(_compare, missing)},
        finish=partial(_note_missing, missing),
    )


async def _repeat_hold(books: PriceBooks, ttl: timedelta, tx: Tx, event: Event[JobAccepted]) -> None:
    job, tenant, published = event.data, event.tenantid, tx.memo[EMITTED]
    if CreditDenied.TYPE in published:
        return  # it ends without, and nothing was held
    if CreditHeld.TYPE not in published:
        await holds.hold_credits(books, ttl, tx, event)
        return
    expires_at = hold_expiry(tx.now(), job.deadline, ttl)
    hold = Hold(job.job_id, tenant, wallet_of(tenant), job.price.credits, expires_at, event.traceparent)
    moved = await movements.hold(tx.conn, hold)
    match moved.outcome:
        case HoldOutcome.HELD | HoldOutcome.KNOWN:
            pass
        case HoldOutcome.DENIED | HoldOutcome.SUSPENDED:
            raise Diverged(
                f"{job.price.credits} credits were held for {job.job_id}, and {moved.available} are available to"
                f" {tenant}: book first what came in after the backup"
            )
        case _:
            assert_never(moved.outcome)


async def _repeat_release(tx: Tx, event: Event[CreditReleased]) -> None:
    """Release a hold again, also one that expired, which no other event says."""
    await movements.release(tx.conn, JobRef(event.data.job_id, event.tenantid, event.traceparent), event.data.reason)


async def _compare(missing: dict[str, int], tx: Tx, event: Event[CreditBalanceChanged]) -> None:
    """Remember how far the ledger is from the balance published here: the movements of jobs leave no difference."""
    balance, _ = await accounts.read_balance(tx.conn, event.data.account_id)
    missing[event.data.account_id] = event.data.balance - balance


async def _note_missing(missing: dict[str, int], _tx: Tx) -> Sequence[str]:
    return [
        f"{wallet}: {credits:+d} credits by something else than jobs after the backup: book it again"
        for wallet, credits in sorted(missing.items())
        if credits
    ]
