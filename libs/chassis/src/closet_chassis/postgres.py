"""PostgreSQL: a pool with sane limits, and what tells that the database, not the question, is at fault."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import asyncpg
import orjson

from closet_chassis.migrations import migrate
from closet_chassis.settings import ServiceSettings

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

__all__ = [
    "DATABASE_ERRORS",
    "Connection",
    "Pool",
    "affected",
    "close_pool",
    "create_pool",
    "is_unavailable",
    "migrate",
    "open_pool",
    "pool_check",
    "prepare",
]

SESSION = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    # Not idle_in_transaction_session_timeout: a client that freezes between a statement's Parse and its Bind is active
    # to the server, and would keep its row locks for ever. Needs PostgreSQL 17.
    "transaction_timeout": "20s",
    "jit": "off",  # our statements are short; compiling them costs more than it saves
    "timezone": "UTC",
}
CLOSE_TIMEOUT_S = 5.0
CHECK_TIMEOUT_S = 2.0

_UNAVAILABLE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,  # deadlocks
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says between the server's goodbye and its end
)

_OUR_MISTAKES = (ValueError, FileNotFoundError)  # of the kinds above, yet not the database's

DATABASE_ERRORS = (*_UNAVAILABLE, asyncpg.PostgresError)
"""Whatever a statement can raise: for loops that try theirs again, come what may."""


async def prepare(settings: ServiceSettings, *packages: str) -> None:
    """Migrate the service's database as its owner, and grant the service's role the use of it; see `migrate`."""
    if not (settings.migrations_url and settings.migrate):
        await migrate(settings.database_url, *packages, apply=settings.migrate)
        return
    role = unquote(urlsplit(settings.database_url).username or "")
    await migrate(settings.migrations_url, *packages, role=role)


async def create_pool(url: str, size: int) -> Pool:
    """A pool of at most `size` connections.

    Connections go back without the usual RESET, which would cost a round trip each time: whoever borrows one leaves no
    session state behind. `SET LOCAL` and `pg_advisory_xact_lock` are fine, `SET` and `pg_advisory_lock` are not. A
    transaction left open is rolled back.
    """
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        init=_init,
        reset=_keep,
        timeout=10,
        command_timeout=30,
        server_settings=SESSION,
    )


async def close_pool(pool: Pool, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
    """Wait for borrowed connections to come back, but not for ever."""
    try:
        async with asyncio.timeout(timeout_s):
            await pool.close()
    except TimeoutError:
        pool.terminate()


@asynccontextmanager
async def open_pool(settings: ServiceSettings) -> AsyncIterator[Pool]:
    """The service's pool, closed at the end."""
    pool = await create_pool(settings.database_url, settings.pool_size)
    try:
        yield pool
    finally:
        await close_pool(pool)


def pool_check(pool: Pool) -> Callable[[], Awaitable[str | None]]:
    """A readiness check: does the database answer?"""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await pool.fetchval("SELECT 1")
        except DATABASE_ERRORS as error:
            return f"the database does not answer ({type(error).__name__})"
        return None

    return check


def is_unavailable(error: BaseException) -> bool:
    """Is the database away or overloaded, so that the same statement may well succeed later?"""
    return isinstance(error, _UNAVAILABLE) and not isinstance(error, _OUR_MISTAKES)


def affected(tag: str) -> int:
    """Return the number of rows in a command tag, such as `UPDATE 3` or `INSERT 0 1`."""
    return int(tag.rpartition(" ")[2])


async def _init(connection: Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_dump, decoder=orjson.loads)


async def _keep(_connection: Connection) -> None:
    """Leave the session as it is; see `create_pool`."""


def _dump(value: Any) -> str:  # noqa: ANN401 anything that JSON can say
    return orjson.dumps(value).decode()
