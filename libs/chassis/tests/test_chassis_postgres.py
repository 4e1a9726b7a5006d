import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from closet_chassis import postgres
from closet_chassis.postgres import Pool, affected, close_pool, create_pool, is_unavailable, open_pool, pool_check
from closet_chassis.settings import ServiceSettings


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await create_pool(database, 2)
    yield pool
    await close_pool(pool)


async def test_sessions_have_limits(pool: Pool) -> None:
    for name, value in (("statement_timeout", "10s"), ("lock_timeout", "5s"), ("jit", "off"), ("TimeZone", "UTC")):
        assert await pool.fetchval("SELECT current_setting($1)", name) == value
    assert await pool.fetchval("SELECT current_setting('transaction_timeout')") == "20s"


@pytest.mark.parametrize("step", ["idle", "prepared"])
async def test_who_freezes_in_a_transaction_does_not_keep_its_locks(
    database: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also between Parse and Bind, where the server takes the session for active, and no other limit ends it."""
    monkeypatch.setitem(postgres.SESSION, "transaction_timeout", "200ms")
    frozen = await asyncpg.connect(database, server_settings=postgres.SESSION)
    other = await asyncpg.connect(database, server_settings={"lock_timeout": "30s"})
    await other.execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    await frozen.execute("BEGIN; SELECT * FROM t FOR UPDATE")
    if step == "prepared":
        await frozen.prepare("SELECT $1::int")
    assert await other.fetchval("SELECT n FROM t FOR UPDATE") == 1
    with pytest.raises(postgres.DATABASE_ERRORS) as ended:
        await frozen.fetchval("SELECT 1")
    assert is_unavailable(ended.value)
    await other.close()


async def test_json_goes_in_and_out_as_values(pool: Pool) -> None:
    value = {"a": [1, None, "ä"], "b": {"c": True}}
    assert await pool.fetchval("SELECT $1::jsonb", value) == value
    assert await pool.fetchval("SELECT $1::json", value) == value
    rows = await pool.fetch("SELECT v FROM unnest($1::jsonb[]) AS v", [value, 1, "x"])
    assert [row["v"] for row in rows] == [value, 1, "x"]
    assert await pool.fetchval("SELECT $1::jsonb ->> 'b' IS NOT NULL", value) is True


async def test_a_transaction_left_open_is_rolled_back_before_others_get_the_connection(pool: Pool) -> None:
    await pool.execute("CREATE TABLE t (n int)")
    async with pool.acquire() as connection:
        await connection.execute("BEGIN; INSERT INTO t VALUES (1)")
    assert await asyncio.gather(*(pool.fetchval("SELECT count(*) FROM t") for _ in range(4))) == [0, 0, 0, 0]


async def test_the_pool_closes_with_its_context(database: str) -> None:
    settings = ServiceSettings(database_url=database, nats_url="", pool_size=1)
    async with open_pool(settings) as pool:
        assert await pool.fetchval("SELECT 1") == 1
    with pytest.raises(asyncpg.InterfaceError):
        await pool.fetchval("SELECT 1")


async def test_closing_does_not_wait_for_ever(database: str) -> None:
    pool = await create_pool(database, 1)
    held = await pool.acquire()
    await close_pool(pool, timeout_s=0.01)
    with pytest.raises(asyncpg.InterfaceError):
        await held.fetchval("SELECT 1")


async def test_a_pool_that_answers_is_fine(pool: Pool) -> None:
    assert await pool_check(pool)() is None


async def test_a_pool_whose_connections_are_all_taken_is_not_ready(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool.acquire(), pool.acquire():
        with monkeypatch.context() as impatient:
            impatient.setattr(postgres, "CHECK_TIMEOUT_S", 0.01)
            assert "TimeoutError" in (await pool_check(pool)() or "")
    assert await pool_check(pool)() is None


async def test_a_pool_recovers_when_its_connections_are_killed(pool: Pool) -> None:
    async with pool.acquire() as first, pool.acquire() as second:
        await first.execute("SELECT pg_terminate_backend($1)", second.get_server_pid())
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)) as caught:
            await second.fetchval("SELECT 1")
    assert is_unavailable(caught.value)
    assert await asyncio.gather(*(pool.fetchval("SELECT 1") for _ in range(4))) == [1, 1, 1, 1]


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(OSError, match=r".") as caught:
        await asyncpg.connect("postgresql://127.0.0.1:9/none")
    assert is_unavailable(caught.value)


@pytest.mark.parametrize("sql", ["SELECT 1/0", "SELECT nonsense", "SELECT 'x'::int"])
async def test_a_wrong_statement_is_not_taken_for_an_unavailable_database(pool: Pool, sql: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        await pool.fetchval(sql)
    assert not is_unavailable(caught.value)


async def test_a_wrong_argument_is_not_taken_for_an_unavailable_database(pool: Pool) -> None:
    with pytest.raises(asyncpg.DataError) as caught:
        await pool.fetchval("SELECT $1::int", "x")
    assert not is_unavailable(caught.value)


@pytest.mark.parametrize(
    "error",
    [asyncpg.DeadlockDetectedError(), asyncpg.LockNotAvailableError(), asyncpg.CannotConnectNowError(), TimeoutError()],
)
def test_what_another_try_may_mend_counts_as_unavailable(error: Exception) -> None:
    assert is_unavailable(error)


async def test_a_command_tag_says_how_many_rows_were_affected(pool: Pool) -> None:
    await pool.execute("CREATE TABLE cats (id int PRIMARY KEY)")
    insert = "INSERT INTO cats SELECT generate_series(1, 3) ON CONFLICT DO NOTHING"
    tags = [await pool.execute(sql) for sql in (insert, insert, "UPDATE cats SET id = -id", "DELETE FROM cats")]
    assert [affected(tag) for tag in tags] == [3, 0, 3, 3]
