"""Statements: opening and every change make the closing balance, and each charge leads back to its job."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from billing_meter.rpc import read_statement
from billing_meter.store.prices import add_book
from closet_contracts.credit import PriceBook
from closet_contracts.render import RenderFailed, RenderSucceeded, ResultFile
from closet_contracts.rpc import ReadStatement, Statement
from closet_messaging.rpc import RpcFailed

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HOUR = timedelta(hours=1)


async def statement(ledger: Any, since: datetime, until: datetime, **asked: Any) -> Statement:
    request = ReadStatement(**{"account_id": "tenant:acme", "since": since, "until": until, **asked})
    return await read_statement(ledger.pool, request)


async def charged(ledger: Any, new_job: Any) -> Any:
    job = new_job()
    await ledger.handle(job.accepted())
    picture = ResultFile(key="k", content_type="image/png", size_bytes=1, sha256="0")
    made = RenderSucceeded(job_id=job.job_id, attempt=2, vendor_calls=2, vendor_ms=1, results=(picture,))
    failed = RenderFailed(
        job_id=job.job_id, attempt=1, vendor_calls=1, vendor_ms=1, code="c", message="m", retryable=True
    )
    await ledger.handle(job._event(failed), job._event(made), job.completed())
    return job


async def test_each_charge_leads_to_its_job_its_render_and_its_trace(ledger: Any, new_job: Any) -> None:
    start = datetime.now(UTC)
    await ledger.grant(200, receipt="R-1")
    first = await charged(ledger, new_job)
    middle = datetime.now(UTC)
    held, second = new_job(), await charged(ledger, new_job)
    await ledger.handle(held.accepted())
    whole = await statement(ledger, start - HOUR, start + HOUR)
    assert (whole.opening, whole.closing) == (0, 190)
    assert [(line.kind, line.amount, line.balance_after, line.job_id) for line in whole.lines] == [
        ("grant", 200, 200, None),
        ("capture", -5, 195, first.job_id),
        ("capture", -5, 190, second.job_id),
    ]
    charge = whole.lines[1]
    assert (charge.renders, charge.trace_id) == ((f"{first.job_id}.0.2",), TRACE)
    assert (whole.lines[0].actor, whole.lines[0].reason) == ("a test", "to be spent")
    later = await statement(ledger, middle, start + HOUR)
    assert (later.opening, later.closing, [line.job_id for line in later.lines]) == (195, 190, [second.job_id])


async def test_pages_of_one_make_the_whole_in_the_order_in_which_it_was_booked(ledger: Any) -> None:
    """Transactions 1 to 101: as text, 10 would come before 9, and 100 before 99."""
    now = datetime.now(UTC)
    for _ in range(101):
        await ledger.grant(10)
    whole = await statement(ledger, now - HOUR, now + HOUR)
    pages: list[Statement] = [await statement(ledger, now - HOUR, now + HOUR, limit=1)]
    while pages[-1].next_after is not None:
        pages.append(await statement(ledger, now - HOUR, now + HOUR, after=pages[-1].next_after, limit=1))
    lines = [line for page in pages for line in page.lines]
    assert tuple(lines) == whole.lines
    assert [int(line.transaction_id) for line in lines] == list(range(1, 102))
    assert [line.balance_after for line in lines] == list(range(10, 1020, 10))
    assert whole.opening + sum(line.amount for line in lines) == whole.closing == 1010
    assert len(pages) == 101, "no page is empty"


async def test_changes_are_told_in_dollars_at_the_price_of_their_time(ledger: Any) -> None:
    now = datetime.now(UTC)
    await ledger.grant(10)
    dearer = PriceBook(version="dearer", credits={"tryon": 5}, usd_cents_per_credit=12)
    await add_book(ledger.pool, dearer, datetime.now(UTC))
    await ledger.grant(10)
    found = await statement(ledger, now - HOUR, now + HOUR)
    assert [line.usd_cents for line in found.lines] == [100, 120]
    assert found.usd_cents_per_credit == 12
    assert (await statement(ledger, datetime.min.replace(tzinfo=UTC), now - HOUR)).usd_cents_per_credit == 10


@pytest.mark.parametrize("cursor", ["abc", "-1", "1.5", "\u0661", str(2**63), "9" * 5000])
async def test_a_cursor_that_was_never_given_out_is_refused(ledger: Any, cursor: str) -> None:
    await ledger.grant(10)
    now = datetime.now(UTC)
    with pytest.raises(RpcFailed, match="invalid_cursor"):
        await statement(ledger, now - HOUR, now, after=cursor)


async def test_there_is_no_statement_of_what_is_no_wallet(ledger: Any) -> None:
    await ledger.grant(10)
    now = datetime.now(UTC)
    for account in ("tenant:nobody", "revenue", "holds:acme"):
        with pytest.raises(RpcFailed, match="unknown_account"):
            await statement(ledger, now - HOUR, now, account_id=account)
