"""Usage sent to Stripe by the service itself, which is killed again and again meanwhile."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from closet_chassis.postgres import Pool
from closet_contracts.ids import new_id
from closet_devstack.process import Child
from closet_devstack.sandbox.stripe.remote import Remote
from closet_devstack.testing import eventually

EVENTS = 1000
KILLS = 3
_TIMEOUT_S = 120.0


async def queue_usage(pool: Pool, customer_id: str, count: int = EVENTS) -> None:
    """Queue the usage of so many captures of a metered tenant."""
    await pool.execute("INSERT INTO customers VALUES ('acme', $1) ON CONFLICT DO NOTHING", customer_id)
    await pool.executemany(
        """INSERT INTO stripe_work (work_id, kind, tenant_id, body) VALUES ($1, 'usage', 'acme', '{"credits": 5}')""",
        [(new_id("job"),) for _ in range(count)],
    )


async def send_usage_while_killed(pool: Pool, sandbox: Remote, env: Mapping[str, str], log: Path) -> int:
    """Run the service until all is sent, killing it with calls in flight; return how often."""
    kills = 0
    for nth in range(1, KILLS + 1):
        child = _start(env, log)
        goal = nth * EVENTS // (KILLS + 1)
        await eventually(lambda: _is_sent(sandbox, goal), timeout=_TIMEOUT_S)  # noqa: B023 awaited in this round
        await asyncio.to_thread(child.kill)
        kills += 1
        # The leases of the killed process end: now.
        await pool.execute("UPDATE stripe_work SET due_at = now() WHERE state = 'due'")
    child = _start(env, log)
    try:
        await eventually(lambda: _is_done(pool), timeout=_TIMEOUT_S)
    finally:
        await asyncio.to_thread(child.stop)
    return kills


def _start(env: Mapping[str, str], log: Path) -> Child:
    # A port that nobody knows is fine: nothing is asked of it.
    settings = {"CLOSET_HTTP_PORT": "0", "CLOSET_ADMIN_PORT": "0", "CLOSET_LOG_LEVEL": "ERROR"}
    return Child([sys.executable, "-m", "billing_meter"], log, env={**os.environ, **env, **settings})


async def _is_sent(sandbox: Remote, goal: int) -> bool:
    return int((await sandbox.stats())["usage"]) >= goal


async def _is_done(pool: Pool) -> bool:
    return not await pool.fetchval("SELECT count(*) FROM stripe_work WHERE state <> 'done'")
