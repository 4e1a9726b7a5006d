"""What was given and what was paid for, devices' own wallets, promises, corrections, and low balances."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from billing_meter.domain.movements import Correction, Hold, Promise, Receipt, Reversal
from billing_meter.handlers import promises, receipts
from billing_meter.worker.sweep import sweep
from closet_contracts.credit import CreditBalanceLow
from closet_messaging.transaction import transaction

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


async def do(ledger: Any, verb: Any, *args: Any) -> str:
    async with transaction(ledger.pool, ledger) as tx:
        return str((await verb(tx, *args)).outcome)


async def give(ledger: Any, credits: int, until: datetime, receipt: str = "P-1") -> None:
    receipt_ = Receipt("promotion", receipt, "acme", "tenant:acme", credits, "jo", "welcome", until)
    assert await do(ledger, receipts.receive_credits, receipt_) == "granted"


async def accounts(ledger: Any) -> dict[str, int]:
    await ledger.audit()
    rows = await ledger.pool.fetch("SELECT account_id, sum(amount)::int AS sum FROM entries GROUP BY 1")
    return {row["account_id"]: row["sum"] for row in rows if row["sum"]}


async def test_what_was_given_is_used_first_and_earns_nothing(ledger: Any, new_job: Any) -> None:
    await ledger.grant(200)
    await give(ledger, 7, NOW + DAY)
    first, second = new_job(), new_job()
    await ledger.handle(first.accepted(), second.accepted())
    assert await accounts(ledger) == {"house": -207, "tenant:acme": 197, "holds:acme": 10}
    await ledger.handle(first.completed(), second.completed())
    assert await accounts(ledger) == {"house": -200, "tenant:acme": 197, "revenue": 3}


async def test_what_was_given_goes_back_where_it_came_from(ledger: Any, new_job: Any) -> None:
    await ledger.grant(200)
    await give(ledger, 3, NOW + DAY)
    failed, cheap = new_job(), new_job()
    await ledger.handle(failed.accepted())
    await ledger.handle(failed.ended())
    assert await accounts(ledger) == {"house": -203, "tenant:acme": 200, "promotional:acme": 3}
    await ledger.handle(cheap.accepted())
    cheap.credits = 2
    await ledger.handle(cheap.completed())
    assert await accounts(ledger) == {"house": -201, "tenant:acme": 200, "promotional:acme": 1}


async def test_what_is_left_of_a_promotion_expires(ledger: Any, new_job: Any) -> None:
    """The older one is used first: 5 of its 10 are left when its day comes, and go."""
    await ledger.grant(200)
    await give(ledger, 10, NOW + DAY, "P-1")
    await give(ledger, 10, NOW + 2 * DAY, "P-2")
    job = new_job()
    await ledger.handle(job.accepted())
    await ledger.handle(job.completed())
    sweeper = partial(sweep, partial(transaction, ledger.pool, ledger))
    await sweeper()
    assert await ledger.read_balance() == (215, 0)
    await ledger.owner.execute("UPDATE promotions SET expires_at = now() WHERE cause = 'P-1'")
    await asyncio.gather(sweeper(), sweeper())
    assert await ledger.read_balance() == (210, 0)
    assert (await accounts(ledger))["promotional:acme"] == 10


async def topped_up(ledger: Any, credits: int = 100, device: str = "device:k1") -> None:
    receipt = Receipt("topup", f"R-{device}", "acme", device, credits, "jo")
    assert await do(ledger, receipts.receive_credits, receipt) == "granted"
    assert await do(ledger, receipts.receive_credits, receipt) == "known"


async def stands(ledger: Any, wallet: str) -> tuple[int, int, int]:
    await ledger.audit()
    row = await ledger.pool.fetchrow("SELECT balance, held, promised FROM balances WHERE account_id = $1", wallet)
    return tuple(row)


def drawn(job: Any, promise: str = "pro-1") -> Hold:
    return Hold(job.job_id, job.tenant, promise, job.credits, NOW + DAY, None)


async def test_a_device_never_spends_beyond_its_promise(ledger: Any, new_job: Any) -> None:
    await topped_up(ledger)
    promise = Promise("pro-1", "acme", "device:k1", 12, NOW + DAY)
    assert await do(ledger, promises.promise_credits, promise) == "promised"
    assert await do(ledger, promises.promise_credits, promise) == "known"
    assert await do(ledger, promises.promise_credits, promise._replace(credits=13)) == "refused"
    assert await stands(ledger, "device:k1") == (100, 12, 12)
    paid, failed, beyond = new_job(), new_job(), new_job()
    held = [await do(ledger, promises.hold_promised, drawn(job)) for job in (paid, paid, failed, beyond)]
    assert held == ["held", "known", "held", "denied"]
    await ledger.handle(paid.completed(), failed.ended())
    assert await stands(ledger, "device:k1") == (95, 2, 2)
    assert await do(ledger, promises.settle_promise, "pro-1", "acme", "synced") == "settled"
    assert await do(ledger, promises.settle_promise, "pro-1", "acme", "synced") == "known"
    assert await stands(ledger, "device:k1") == (95, 0, 0)
    assert await do(ledger, promises.hold_promised, drawn(new_job())) == "denied"
    assert await accounts(ledger) == {"house": -100, "device:k1": 95, "revenue": 5}
    assert await ledger.read_balance() == (0, 0)


async def test_a_promise_that_nobody_settles_expires(ledger: Any, new_job: Any) -> None:
    await topped_up(ledger)
    await do(ledger, promises.promise_credits, Promise("pro-1", "acme", "device:k1", 12, NOW + DAY))
    await do(ledger, promises.hold_promised, drawn(new_job()))
    await ledger.owner.execute("UPDATE promises SET expires_at = now()")
    await sweep(partial(transaction, ledger.pool, ledger))
    assert await stands(ledger, "device:k1") == (100, 5, 0)


async def test_only_what_a_device_has_can_be_promised(ledger: Any) -> None:
    await topped_up(ledger, 10)
    await ledger.grant(500)
    too_much = Promise("pro-1", "acme", "device:k1", 11, NOW + DAY)
    assert await do(ledger, promises.promise_credits, too_much) == "denied"
    assert await do(ledger, promises.settle_promise, "pro-1", "acme", "synced") == "missing"


async def test_many_jobs_at_once_draw_no_more_than_was_promised(ledger: Any, new_job: Any) -> None:
    await topped_up(ledger)
    await ledger.grant(1000)
    await do(ledger, promises.promise_credits, Promise("pro-1", "acme", "device:k1", 52, NOW + DAY))
    jobs = [new_job() for _ in range(40)]
    others = [new_job() for _ in range(40)]
    taking = asyncio.gather(*(ledger.handle(job.accepted()) for job in others))
    held = await asyncio.gather(*(do(ledger, promises.hold_promised, drawn(job)) for job in jobs))
    await taking
    assert (held.count("held"), held.count("denied")) == (10, 30)
    assert await stands(ledger, "device:k1") == (100, 52, 2)
    assert await ledger.read_balance() == (1000, 200)


async def test_a_device_belongs_to_one_tenant(ledger: Any) -> None:
    await topped_up(ledger)
    foreign = Receipt("topup", "R-2", "evil", "device:k1", 5, "jo")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await do(ledger, receipts.receive_credits, foreign)


async def test_a_charge_is_refunded_at_most_once_over(ledger: Any, new_job: Any) -> None:
    await ledger.grant(200)
    await give(ledger, 2, NOW + DAY)
    job = new_job()
    await ledger.handle(job.accepted())
    await ledger.handle(job.completed())

    def refund(number: str, credits: int, tenant: str = "acme") -> Any:
        return do(
            ledger, receipts.refund_credits, Correction(number, tenant, job.job_id, credits, "jo", "blurred face")
        )

    outcomes = [await refund("1", 2), await refund("1", 2), await refund("2", 4), await refund("3", 3)]
    assert outcomes == ["refunded", "known", "refused", "refunded"]
    assert await refund("4", 1) == "refused"
    assert await refund("5", 1, "evil") == "refused"
    assert await accounts(ledger) == {"house": -202, "tenant:acme": 200, "promotional:acme": 2}
    rows = await ledger.pool.fetch("SELECT cause, actor, reason FROM transactions WHERE kind = 'refund'")
    assert [tuple(row) for row in rows] == [("refund:1", "jo", "blurred face"), ("refund:3", "jo", "blurred face")]


async def test_an_adjustment_never_takes_what_is_held(ledger: Any, new_job: Any) -> None:
    await ledger.grant(20)
    await ledger.handle(new_job().accepted())

    def adjust(number: str, credits: int) -> Any:
        correction = Correction(number, "acme", "tenant:acme", credits, "jo", "a slip")
        return do(ledger, receipts.adjust_credits, correction)

    assert [await adjust("1", -16), await adjust("2", -15), await adjust("2", -15)] == ["refused", "adjusted", "known"]
    assert await ledger.read_balance() == (5, 5)
    assert await adjust("3", 30) == "adjusted"
    assert await ledger.read_balance() == (35, 5)


async def test_money_that_went_back_takes_the_credits_that_are_left(ledger: Any, new_job: Any) -> None:
    await ledger.grant(20)
    await ledger.handle(new_job().accepted())
    reversal = Reversal("refund:re_1", "acme", "tenant:acme", 18, "charge refunded")
    assert await do(ledger, receipts.reverse_credits, reversal) == "reversed"
    assert await do(ledger, receipts.reverse_credits, reversal) == "known"
    assert await ledger.read_balance() == (5, 5)
    assert await ledger.pool.fetchval("SELECT credits - taken FROM reversals") == 3


def lows(ledger: Any) -> list[tuple[int, int]]:
    data = [event.data for event in ledger.emitted if isinstance(event.data, CreditBalanceLow)]
    return [(one.threshold, one.available) for one in data]


async def test_a_low_balance_is_told_once_until_credits_come_in(ledger: Any, new_job: Any) -> None:
    await ledger.grant(104)
    jobs = [new_job() for _ in range(4)]
    for job in jobs[:2]:
        await ledger.handle(job.accepted())
    await ledger.handle(jobs[0].ended())
    await ledger.handle(jobs[2].accepted())
    assert lows(ledger) == [(100, 99)]
    await ledger.grant(7)
    await ledger.handle(jobs[3].accepted())
    assert lows(ledger) == [(100, 99), (100, 96)]


async def test_each_threshold_is_told(ledger: Any, new_job: Any) -> None:
    await ledger.grant(12)
    await ledger.owner.execute("UPDATE balances SET low_at = '{10, 5}', told_low = NULL")
    await ledger.handle(*(new_job().accepted() for _ in range(2)))
    assert lows(ledger) == [(10, 7), (5, 2)]


async def test_projections_are_rebuilt_from_the_entries(ledger: Any, new_job: Any) -> None:
    await ledger.grant(200)
    await give(ledger, 3, NOW + DAY)
    await ledger.handle(new_job().accepted())
    right = await ledger.pool.fetchrow("SELECT balance, held, promotional, promised FROM balances")
    await ledger.owner.execute("UPDATE balances SET balance = 900, held = 300, promotional = 4, promised = 1")
    assert await ledger.pool.fetchval("SELECT rebuild_balances()") == 1
    assert await ledger.pool.fetchrow("SELECT balance, held, promotional, promised FROM balances") == right
    assert await ledger.pool.fetchval("SELECT rebuild_balances()") == 0
    await ledger.audit()
