"""The fair queue in the database: fair however many tenants wait, and a claim costs the same."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from types import FrameType
from typing import Any

import asyncpg
from closet_chassis.postgres import Pool
from closet_contracts.ids import new_id
from perfect_adapter.queue.store import HEADS, LONGEST, QUEUES_AT_LEAST, BlockedFeatures

COUNT = 10
HOUR = timedelta(hours=1)


async def wait(pool: Pool, tenants: Sequence[str], each: int = 1, within: timedelta = HOUR, delay_s: float = 0) -> None:
    """So many tasks of each tenant, as a process of any release makes them wait: by a row."""
    await pool.execute(
        """
        INSERT INTO renders (render_id, job_id, item, attempt, tenant_id, work, inputs, feature, units, rank, deadline,
            due_at, cause_id)
        SELECT tenant || n || $5, tenant || n || $5, 0, 1, tenant, '{"kind": "text2img", "prompt": "a hat"}', '{}',
            'text2img', 1, 1, now() + $3, now() + make_interval(secs => $4), gen_random_uuid()
        FROM unnest($1::text[]) tenant, generate_series(1, $2::integer) n
        """,
        tenants,
        each,
        within,
        delay_s,
        new_id("job"),
    )


def many(count: int, name: str = "t") -> list[str]:
    return [f"{name}{number:05}" for number in range(count)]


async def claim(dead: Any, pool: Pool, count: int = COUNT) -> list[str]:
    """Whose tasks are next; these are over at once."""
    claimed = await dead.submitter.claim(count)
    await pool.execute(
        "UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now() WHERE state = 'submitting'"
    )
    return [one.render.tenant_id for one in claimed.items]


async def claim_all(dead: Any, pool: Pool, count: int) -> list[str]:
    """The next so many, by as many claims as that takes, within reason."""
    order: list[str] = []
    for _ in range(10 + 2 * count):
        order += await claim(dead, pool, min(COUNT, count - len(order)))
        if len(order) >= count:
            break
    return order


async def test_each_of_many_has_a_turn_before_any_has_two(pool: Pool, dead: Any) -> None:
    await wait(pool, ["flood"], each=200)
    await wait(pool, many(60), each=2)
    order = await claim_all(dead, pool, 122)
    for turn in (order[:61], order[61:]):
        assert sorted(turn) == ["flood", *many(60)]
    assert set(await claim_all(dead, pool, 20)) == {"flood"}


async def test_who_comes_one_at_a_time_has_no_more_than_who_waits(pool: Pool, dead: Any) -> None:
    await wait(pool, many(3), each=20)
    served: Counter[str] = Counter()
    for _ in range(40):
        if not await pool.fetchval("SELECT count(*) FROM renders WHERE tenant_id = 'once' AND state = 'waiting'"):
            await wait(pool, ["once"])
        served.update(await claim(dead, pool, 1))
    assert served["once"] <= 11, served
    assert served["once"] >= 5, served


async def test_who_was_held_up_does_not_catch_up_on_what_others_used(pool: Pool, dead: Any) -> None:
    await wait(pool, ["held", "busy"], each=100)
    await claim(dead, pool, 2)
    await pool.execute("UPDATE renders SET due_at = now() + interval '1 hour' WHERE tenant_id = 'held'")
    assert set(await claim_all(dead, pool, 40)) == {"busy"}
    await pool.execute(
        "UPDATE renders SET due_at = now(), state = 'waiting' WHERE tenant_id = 'held' AND ended_at IS NULL"
    )
    counted = Counter(await claim_all(dead, pool, 20))
    assert counted["busy"] >= 9, counted


async def test_what_cannot_go_hides_nobody(pool: Pool, dead: Any) -> None:
    """Fifty tenants stand in front whose tasks are too late, and fifty that wait for a later try."""
    await wait(pool, many(50, "late"), within=timedelta(seconds=1))
    await wait(pool, many(50, "later"), delay_s=3600)
    await wait(pool, ["z"])
    assert await claim_all(dead, pool, 1) == ["z"]
    await pool.execute("UPDATE renders SET due_at = now(), state = 'waiting' WHERE tenant_id LIKE 'later%'")
    assert sorted(await claim_all(dead, pool, 50)) == many(50, "later")


async def test_what_has_waited_for_long_is_found_behind_any_number(pool: Pool, dead: Any) -> None:
    await wait(pool, many(200), each=2)
    await claim_all(dead, pool, 20)
    await wait(pool, ["old"])
    await pool.execute("UPDATE renders SET created_at = now() - interval '10 minutes' WHERE tenant_id = 'old'")
    assert "old" in await claim(dead, pool, 2)


async def test_a_claim_costs_the_same_however_many_wait(pool: Pool, dead: Any, owner_url: str) -> None:
    """By the rows that PostgreSQL touches and the functions that Python calls, not by time."""
    owner = await asyncpg.connect(owner_url)
    rows, calls = [], []
    for tenants in (10, 1_000, 10_000):
        await owner.execute("TRUNCATE renders, waiting_queues, arrivals CASCADE")
        await wait(pool, many(tenants), each=3)
        while await pool.fetchval("SELECT EXISTS (SELECT FROM arrivals)"):
            await claim(dead, pool, 1)
        await owner.execute("ANALYZE")
        rows.append(await _rows_touched(pool))
        calls.append(await _functions_called(dead))
    await owner.close()
    assert max(rows[1:]) <= 4 * rows[0], rows
    assert max(calls[1:]) <= 2 * calls[0], calls


async def _rows_touched(pool: Pool) -> int:
    ranks, features = zip(*BlockedFeatures().rings(), strict=True)
    wanted: tuple[Any, ...] = (ranks, features, COUNT, None, 2.0, {})
    touched = 0
    for sql, arguments in ((HEADS, (*wanted, QUEUES_AT_LEAST)), (LONGEST, (*wanted, 300.0))):
        plan = await pool.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {sql}", *arguments)
        touched += _rows(plan if isinstance(plan, list) else json.loads(plan))
    return touched


def _rows(node: Any) -> int:
    if isinstance(node, list):
        return sum(_rows(each) for each in node)
    if not isinstance(node, dict):
        return 0
    own = (node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)) * node.get("Actual Loops", 0)
    return int(own) + sum(_rows(each) for each in node.values() if isinstance(each, list | dict))


async def _functions_called(dead: Any) -> int:
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        claimed = await dead.submitter.claim(COUNT)
    finally:
        sys.setprofile(None)
    assert len(claimed.items) == COUNT
    return calls
