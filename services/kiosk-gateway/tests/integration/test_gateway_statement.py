"""What a tenant's finance sees of its account."""

from typing import Any

PERIOD = "since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z"


async def test_a_statement_is_for_finance_and_pages(replica: Any) -> None:
    instance = await replica()
    finance = await instance.user(scopes=["statement:read"])
    first = (await finance.get(f"/billing/statement?{PERIOD}")).body
    assert (first["accountId"], first["opening"], first["closing"]) == ("tenant:acme", 100, 95)
    [line] = first["lines"]
    assert (line["amount"], line["jobId"], line["renders"]) == (-5, "job_1", ["job_1.0.1"])
    assert (line["usdCents"], first["usdCentsPerCredit"]) == (-50, 10)
    assert "actor" not in line
    rest = await finance.get(f"/billing/statement?{PERIOD}&cursor={first['nextCursor']}")
    assert rest.body["nextCursor"] is None
    strange = await finance.get(f"/billing/statement?{PERIOD}&cursor=abc")
    assert (strange.status, strange.code) == (400, "invalid_cursor")
    shopper = await instance.user()
    refused = await shopper.get(f"/billing/statement?{PERIOD}")
    assert (refused.status, refused.code) == (403, "insufficient_scope")


async def test_another_tenant_sees_its_own(replica: Any) -> None:
    """Of which nothing was ever booked."""
    finance = await (await replica()).user(tenant="other", scopes=["statement:read"])
    statement = (await finance.get(f"/billing/statement?{PERIOD}")).body
    assert (statement["accountId"], statement["opening"], statement["lines"]) == ("tenant:other", 0, [])


async def test_a_period_has_a_beginning_before_its_end(replica: Any) -> None:
    finance = await (await replica()).user(scopes=["statement:read"])
    for period in (
        "since=2026-12-01T00:00:00Z&until=2026-11-01T00:00:00Z",
        "since=2026-11-01",
        "since=x&until=y",
        "",
        "since=0001-01-01T00:00:00%2B14:00&until=2026-11-01T00:00:00Z",
        "since=2026-11-01T00:00:00Z&until=9999-12-31T23:59:59-14:00",
        "since=2026-11-01T00:00:00Z&until=99999-12-31T23:59:59Z",
    ):
        answer = await finance.get(f"/billing/statement?{period}")
        assert (answer.status, answer.code) == (422, "invalid_request")
