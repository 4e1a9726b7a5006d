"""Beside our own sandbox, localstripe: another hand's idea of Stripe's customers, subscriptions and signatures.

It knows plans, not prices: the subscription is made by hand.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from billing_meter.adapters.stripe import Stripe
from closet_devstack.ports import free_port
from closet_devstack.process import Child
from closet_devstack.servers import probes
from closet_devstack.testing import eventually

KEY = "sk_test_12345"
# It would keep what it knows in one file of /tmp, which is whoever's was first on this machine.
_PROGRAM = """
from localstripe import resources, server
resources.Store.dump_to_disk = lambda store: None
server.start()
"""


@pytest.fixture(scope="module")
def localstripe(devstack_folder: Path) -> Iterator[str]:
    port = free_port()
    child = Child(
        [sys.executable, "-c", _PROGRAM, "--from-scratch", "--port", str(port)],
        devstack_folder / "localstripe.log",
    )
    url = f"http://localhost:{port}"
    child.wait_until(lambda: probes.http_is_ok(f"{url}/js.stripe.com/v3/"), 30)
    yield url
    child.kill()


async def test_its_customers_are_ours_and_its_signed_events_are_taken(localstripe: str, harness: Any) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:

        async def post(path: str, **form: str) -> dict[str, Any]:
            async with session.post(f"{localstripe}{path}", data=form) as response:
                assert response.status == 200, await response.text()
                return dict(await response.json()) if response.content_length else {}

        stripe = Stripe(session, KEY, localstripe, ("mtr_closet", "closet_credits"))
        customer = await stripe.create_customer("acme")
        await post("/_config/webhooks/closet", url=harness.url, secret=harness.secret)
        await post("/v1/products", id="prod_1", name="growth", type="service")
        await post("/v1/plans", id="growth", amount="0", currency="usd", interval="month", product="prod_1")
        made = await post("/v1/subscriptions", **{"customer": customer, "items[0][plan]": "growth"})

    async def is_stored() -> bool:
        rows = await harness.ledger.pool.fetch("SELECT body, state FROM stripe_work WHERE kind = 'event'")
        about = {(row["body"]["type"], row["body"]["object"], row["state"]) for row in rows}
        return ("customer.subscription.created", made["id"], "due") in about

    await eventually(is_stored)
