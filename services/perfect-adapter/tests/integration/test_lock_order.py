"""Whoever needs several locks takes them in one order: seen from the statements that the service really sends."""

import re
from collections import defaultdict
from typing import Any

import asyncpg
import pytest
from closet_chassis.postgres import Pool
from closet_contracts.generation import Priority
from closet_devstack.testing import eventually
from perfect_adapter.quota.key_health import KeyHealthCheck
from perfect_adapter.quota.lock_order import ORDER
from perfect_adapter.templates.sync import TemplateSync

_WRITES = re.compile(r"\b(?:UPDATE|INSERT INTO|DELETE FROM)\s+([a-z_]+)", re.IGNORECASE)
_LOCKS = re.compile(r"\bFROM\s+([a-z_]+)\b[^;]*?\bFOR UPDATE\b(?!\s+SKIP)", re.IGNORECASE | re.DOTALL)
_CLAIMS = re.compile(r"\bFROM\s+([a-z_]+)\b[^;]*?\bFOR UPDATE\b", re.IGNORECASE | re.DOTALL)


def locked(statement: str) -> list[str]:
    """Tables of which a statement locks rows, in order; a new row is locked, too, but nobody can wait for it."""
    is_plain_insert = statement.lstrip().upper().startswith("INSERT") and "ON CONFLICT" not in statement
    if is_plain_insert:
        return []
    return [table for pattern in (_CLAIMS, _WRITES) for table in pattern.findall(statement) if table in ORDER]


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every transaction of every connection that is opened from now on, as its statements."""
    found: list[list[str]] = []
    running: dict[int, list[str]] = defaultdict(list)
    connect = asyncpg.connection.connect

    async def watched(*args: Any, **kwargs: Any) -> Any:
        connection = await connect(*args, **kwargs)

        def note(query: Any) -> None:
            statement = query.query.strip()
            mine = running[id(connection)]
            if statement.upper().startswith(("COMMIT", "ROLLBACK", "BEGIN")):
                if mine:
                    found.append(list(mine))
                mine.clear()
            else:
                mine.append(statement)

        connection.add_query_logger(note)
        return connection

    monkeypatch.setattr(asyncpg.connection, "connect", watched)
    return found


def _steps(transaction: list[str]) -> list[str]:
    return [table for statement in transaction for table in locked(statement)]


async def test_every_transaction_locks_in_the_one_order(
    transactions: list[list[str]], start: Any, world: Any, pool: Pool
) -> None:
    """Orders, polls, ambiguous orders, refusals, pauses, deletions, foreign webhooks, checks, lists, ends of jobs."""
    for _ in range(2):
        await start(
            PERFECT_DELETE_COPIES="*", PERFECT_AMBIGUOUS_WAIT_S=1, PERFECT_ORDERS_AT_ONCE=1, PERFECT_QUOTA_WINDOW_S=3
        )
    await world.relist_templates()
    await world.vendor.fault("lost_answer", 2, operation="create")
    await world.vendor.fault("cut", operation="create")
    await world.vendor.fault("refuse", 2, operation="look", status=429)
    await world.vendor.fault("refuse", operation="look", status=500)
    await pool.execute("INSERT INTO webhooks VALUES ('msg_f', 'foreign', 'success', now())")
    jobs = [await world.job(priority=priority) for priority in (*Priority, *Priority)]
    cancelled, stopped = await world.job(), await world.job()
    await eventually(lambda: pool.fetchval("SELECT count(*) = $1 FROM renders", len(jobs) + 2))
    await world.say(world.cancelled(cancelled), world.stopping(stopped))  # in transactions of their own
    for job_id in jobs:
        await world.end(job_id, timeout=60)
    await world.vendor.fault("refuse", operation="create", status=401, code="ExpiredApiKey")
    last = await world.job()
    await eventually(lambda: pool.fetchval("SELECT count(*) > 0 FROM parties WHERE state = 'out'"))
    await pool.execute("UPDATE parties SET probe_at = now()")
    await world.end(last)
    await eventually(lambda: pool.fetchval("SELECT count(*) = 0 FROM deletions"), timeout=30)

    seen = [_steps(transaction) for transaction in transactions]
    together = {table for steps in seen if len(set(steps)) > 1 for table in steps}
    assert {"room", "parties", "vendor_calls", "renders", "webhooks", "deletions"} <= together, (
        "it shows what it is for"
    )
    for steps, transaction in zip(seen, transactions, strict=True):
        assert steps == sorted(steps, key=ORDER.index) or _is_held_already(steps), "\n".join(steps + transaction)


def _is_held_already(steps: list[str]) -> bool:
    """Coming back to rows that one holds waits for nobody: what counts is the first lock in each table."""
    firsts = list(dict.fromkeys(steps))
    return firsts == sorted(firsts, key=ORDER.index)


async def test_quota_subjects_are_locked_the_address_first(
    transactions: list[list[str]], start: Any, world: Any
) -> None:
    await start()
    await world.end(await world.job())
    statements = [each for transaction in transactions for each in transaction if "FROM parties" in each]
    locks = [each for each in statements if _LOCKS.search(each)]
    assert locks
    assert all("ORDER BY kind, party" in each for each in locks)


async def test_a_list_whose_maker_died_is_made_within_a_minute(pool: Pool, world: Any, dead: Any) -> None:
    """Whatever the step dies of."""

    class Broken:
        async def templates(self, *_: Any) -> Any:
            raise RuntimeError("died")

    await world.relist_templates()
    lister: Any = TemplateSync(dead.gate, Broken())  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        await lister.step()
    assert await pool.fetchval("SELECT due_at < now() + interval '61 s' FROM template_lists")


async def test_an_account_whose_question_died_is_asked_about_within_a_minute(pool: Pool, dead: Any) -> None:

    class Broken:
        async def balance(self, *_: Any) -> Any:
            raise RuntimeError("died")

    prober: Any = KeyHealthCheck(dead.gate, Broken(), 600, lambda: None)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        await prober.step()
    assert await pool.fetchval("SELECT probe_at < now() + interval '61 s' FROM parties WHERE kind = 'key'")
