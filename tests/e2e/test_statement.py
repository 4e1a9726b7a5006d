"""What finance sees of a tenant's account, page by page over HTTP and as a page to print."""

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
from closet_contracts.ownership import Service
from closet_devstack.shop import Shop

from tests.e2e.test_command import closet_ops

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = datetime.now(UTC)
RECEIVE = """
    SELECT (receive_credits('grant', $1 || number, $2, 'tenant:' || $2, number, 'a test', NULL, NULL)).outcome
    FROM generate_series(1, 110) AS number
"""


async def pages(shop: Shop) -> list[Any]:
    """The statement of these days in pages of one line."""
    found, after = [], ""
    async with aiohttp.ClientSession(f"{shop.stack.url('kiosk-gateway')}/api/") as http:
        asked = {"userId": "finance", "scopes": ["statement:read"]}
        async with http.post("auth/token", json=asked, headers={"Authorization": f"Bearer {shop.tenant.api_key}"}) as r:
            token = (await r.json())["accessToken"]
        period = {"since": (NOW - timedelta(days=1)).isoformat(), "until": (NOW + timedelta(days=1)).isoformat()}
        while True:
            query = {**period, "limit": "1", **({"cursor": after} if after else {})}
            async with http.get(
                "billing/statement", params=query, headers={"Authorization": f"Bearer {token}"}
            ) as answer:
                assert answer.status == 200, await answer.text()
                found.append(await answer.json())
            if (after := found[-1]["nextCursor"]) is None:
                return found


async def test_a_statement_of_more_than_a_hundred_lines_is_whole_and_in_order(shop: Shop) -> None:
    """The numbers of the transactions go from two digits to three on the way, wherever they begin."""
    connection = await asyncpg.connect(shop.stack.env_for(Service.BILLING_METER)["CLOSET_DATABASE_URL"])
    try:
        rows = await connection.fetch(RECEIVE, f"{shop.tenant.tenant_id}-", shop.tenant.tenant_id)
    finally:
        await connection.close()
    assert {row["outcome"] for row in rows} == {"granted"}
    found = await pages(shop)
    lines = [line for page in found for line in page["lines"]]
    numbers = [int(line["transactionId"]) for line in lines]
    assert len(numbers) == 1 + 110
    assert numbers == sorted(numbers)
    closing = 100 + sum(range(1, 111))
    assert [line["amount"] for line in lines] == [100, *range(1, 111)]
    assert found[0]["opening"] + sum(line["amount"] for line in lines) == found[-1]["closing"] == closing
    assert lines[-1]["balanceAfter"] == closing
    assert [line["usdCents"] for line in lines] == [10 * line["amount"] for line in lines]
    days = [f"{NOW + timedelta(days=days):%Y-%m-%d}" for days in (-1, 2)]
    printed = await closet_ops(
        shop, "statement", shop.tenant.account, "--since", days[0], "--until", days[1], "-f", "html"
    )
    assert f"<td class=n>{closing:+,}</td><td class=n>{closing * 10 / 100:.2f}</td>" in printed
