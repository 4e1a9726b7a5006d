"""The fixtures that every other test stands on."""

from collections.abc import Awaitable, Callable

import asyncpg
import nats
from closet_devstack.servers.nats import NatsServer
from closet_devstack.servers.s3 import S3Server


async def test_databases_are_apart(make_database: Callable[..., Awaitable[str]]) -> None:
    first, second = await make_database(), await make_database()
    one, other = await asyncpg.connect(first), await asyncpg.connect(second)
    await one.execute("CREATE TABLE t (x int)")
    assert await other.fetchval("SELECT to_regclass('t')") is None
    await one.close()
    await other.close()


async def test_nats_answers_each_of_its_users(nats_server: NatsServer) -> None:
    client = await nats.connect(nats_server.url("billing-meter"))
    assert client.is_connected
    await client.close()


def test_s3_gives_each_service_its_own_identity(s3_server: S3Server) -> None:
    assert s3_server.access("upload-signer") != s3_server.access("perfect-adapter")
