"""The service killed while it tells Stripe of usage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.money.killing import EVENTS, KILLS, owe_usage, tell_under_fire


async def test_killed_in_the_middle_each_usage_is_told_once(
    harness: Any,
    stripe_server: Any,
    database_url: str,
    owner_url: str,
    nats_url: Callable[[str], str],
    tmp_path: Path,
) -> None:
    pool = harness.ledger.pool
    await owe_usage(pool, await harness.stripe.create_customer("acme"))
    await harness.sandbox.change(answer_ms=2)
    env = {
        **stripe_server.env(),
        "CLOSET_DATABASE_URL": database_url,
        "CLOSET_MIGRATIONS_URL": owner_url,
        "CLOSET_NATS_URL": nats_url("billing-meter"),
    }
    assert await tell_under_fire(pool, harness.sandbox, env, tmp_path / "billing-meter.log") == KILLS
    stats = await harness.sandbox.stats()
    assert (stats["usage"], stats["identifiers"], stats["credits"]) == (EVENTS, EVENTS, EVENTS * 5)
