"""Statements: opening and every change make the closing balance, and each charge leads back to its job."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from billing_meter.rpc import read_statement
from closet_contracts.render import RenderFailed, RenderSucceeded, ResultFile
from closet_contracts.rpc import ReadStatement, Statement, StatementLine
from closet_messaging.rpc import RpcFailed

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HOUR = timedelta(hours=1)


async def statement(counter: Any, since: datetime, until: datetime, **asked: Any) -> Statement:
    request = ReadStatement(**{"account_id": "tenant:acme", "since": since, "until": until, **asked})
    return await read_statement(counter.pool, request)


async def charged(counter: Any, new_job: Any) -> Any:
    job = new_job()
    await counter.take(job.accepted())
    picture = ResultFile(key="k", content_type="image/png", size_bytes=1, sha256="0")
    made = RenderSucceeded(job_id=job.job_id, attempt=2, vendor_calls=2, vendor_ms=1, results=(picture,))
    failed = RenderFailed(
        job_id=job.job_id, attempt=1, vendor_calls=1, vendor_ms=1, code="c", message="m", retryable=True
    )
    await counter.take(job._event(failed), job._event(made), job.completed())
    return job


async def test_each_charge_leads_to_its_job_its_render_and_its_trace(counter: Any, new_job: Any) -> None:
    start = datetime.now(UTC)
    await counter.grant(200, receipt="R-1")
    first = await charged(counter, new_job)
    middle = datetime.now(UTC)
    held, second = new_job(), await charged(counter, new_job)
    await counter.take(held.accepted())
    whole = await statement(counter, start - HOUR, start + HOUR)
    assert (whole.opening, whole.closing) == (0, 190)
    assert [(line.kind, line.amount, line.balance_after, line.job_id) for line in whole.lines] == [
        ("grant", 200, 200, None),
        ("capture", -5, 195, first.job_id),
        ("capture", -5, 190, second.job_id),
    ]
    charge = whole.lines[1]
    assert (charge.renders, charge.trace_id) == ((f"{first.job_id}.0.2",), TRACE)
    assert (whole.lines[0].actor, whole.lines[0].reason) == ("a test", "to be spent")
    later = await statement(counter, middle, start + HOUR)
    assert (later.opening, later.closing, [line.job_id for line in later.lines]) == (195, 190, [second.job_id])


async def test_pages_make_the_whole(counter: Any) -> None:
    now = datetime.now(UTC)
    for _ in range(5):
        await counter.grant(10)
    whole = await statement(counter, now - HOUR, now + HOUR)
    lines: list[StatementLine] = []
    after: str | None = None
    while True:
        page = await statement(counter, now - HOUR, now + HOUR, after=after, limit=2)
        lines += page.lines
        if (after := page.next_after) is None:
            break
    assert tuple(lines) == whole.lines
    assert [line.balance_after for line in lines] == [10, 20, 30, 40, 50]


async def test_there_is_no_statement_of_what_is_no_wallet(counter: Any) -> None:
    await counter.grant(10)
    now = datetime.now(UTC)
    for account in ("tenant:nobody", "revenue", "holds:acme"):
        with pytest.raises(RpcFailed, match="unknown_account"):
            await statement(counter, now - HOUR, now, account_id=account)
