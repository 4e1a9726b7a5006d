"""`python -m billing_meter recover`: the books again, from what the jobs said and what the service had decided."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from closet_contracts.credit import CreditBalanceChanged, CreditDenied, CreditHeld, CreditReleased
from closet_contracts.envelope import Event
from closet_contracts.job import JobAccepted
from closet_contracts.ownership import Service
from closet_messaging.transaction import Tx
from closet_recovery.command import parser, run
from closet_recovery.recovery import EMITTED, Diverged, Plan

from billing_meter.domain.movements import Hold, hold_expiry, wallet_of
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
    """How this service recovers: a job's price is held if it was the first time, whatever quote or book said so."""
    books, missing = PriceBooks(), dict[str, int]()
    hold = partial(_hold_as_told, books, settings.hold_ttl)
    return Plan(
        service=Service.BILLING_METER,
        handlers={**subscriptions(settings, books), JobAccepted: hold},
        facts={CreditReleased: _release_as_told, CreditBalanceChanged: partial(_compare, missing)},
        finish=partial(_note_missing, missing),
    )


async def _hold_as_told(books: PriceBooks, ttl: timedelta, tx: Tx, event: Event[JobAccepted]) -> None:
    job, tenant, told = event.data, event.tenantid, tx.memo[EMITTED]
    if CreditDenied.TYPE in told:
        return  # it ends without, and nothing was held
    if CreditHeld.TYPE not in told:
        await holds.hold_credits(books, ttl, tx, event)
        return
    expires_at = hold_expiry(tx.now(), job.deadline, ttl)
    hold = Hold(job.job_id, tenant, wallet_of(tenant), job.price.credits, expires_at, event.traceparent)
    moved = await movements.hold(tx.conn, hold)
    if moved.outcome not in {"held", "known"}:
        raise Diverged(
            f"{job.price.credits} credits were held for {job.job_id}, and {moved.available} are available to {tenant}:"
            " book first what came in after the backup"
        )


async def _release_as_told(tx: Tx, event: Event[CreditReleased]) -> None:
    """Also what was given back because of its age, which no other event says."""
    await movements.release(tx.conn, JobRef(event.data.job_id, event.tenantid, event.traceparent), event.data.reason)


async def _compare(missing: dict[str, int], tx: Tx, event: Event[CreditBalanceChanged]) -> None:
    """Remember how far the books are from what was told here: the movements of jobs alone leave no difference."""
    balance, _ = await accounts.balance(tx.conn, event.data.account_id)
    missing[event.data.account_id] = event.data.balance - balance


async def _note_missing(missing: dict[str, int], _tx: Tx) -> Sequence[str]:
    return [
        f"{wallet}: {credits:+d} credits by something else than jobs after the backup: book it again"
        for wallet, credits in sorted(missing.items())
        if credits
    ]
