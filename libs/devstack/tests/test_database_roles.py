"""What a service's role may do in the databases of a running stack: work, and nothing else."""

import asyncpg
import pytest
from closet_contracts.ownership import Service
from closet_devstack.stack import Stack

SERVICES = pytest.mark.parametrize("service", list(Service))
LEDGER = [
    "ALTER TABLE entries DISABLE TRIGGER ALL",
    "DROP TRIGGER entries_append_only ON entries",
    "DROP TRIGGER transactions_sum_to_zero ON transactions",
    "UPDATE balances SET balance = balance + 1000",
    "UPDATE balances SET held = 0",
    "INSERT INTO balances (account_id, tenant_id, balance) VALUES ('tenant:x', 'x', 1000)",
    "INSERT INTO entries (transaction_id, account_id, amount) VALUES (1, 'house', 1)",
    "UPDATE entries SET amount = 1",
    "DELETE FROM entries",
    "TRUNCATE entries CASCADE",
    "DELETE FROM transactions",
    "UPDATE holds SET captured = 0",
    "UPDATE price_books SET version = 'x'",
    "SELECT book(b, 'grant', 'x', free => 5, house => -5) FROM balances b",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "SET session_replication_role = replica",
]


async def refused(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)):
            await connection.execute(sql)
    finally:
        await connection.close()


async def urls(stack: Stack, service: Service) -> str:
    await stack.start_service(service)
    return stack.env_for(service)["CLOSET_DATABASE_URL"]


@SERVICES
async def test_a_service_works_with_a_role_that_owns_nothing(shared_stack: Stack, service: Service) -> None:
    url = await urls(shared_stack, service)
    connection = await asyncpg.connect(url)
    try:
        mine = "SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole"
        assert await connection.fetchval(mine) == 0
        assert await connection.fetchval("SELECT count(*) FROM inbox") >= 0
    finally:
        await connection.close()
    for sql in (
        "CREATE TABLE mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE outbox DISABLE TRIGGER ALL",
        "DROP TABLE outbox",
        "DELETE FROM schema_migrations",
    ):
        await refused(url, sql)


@SERVICES
async def test_a_service_enters_no_other_database(shared_stack: Stack, service: Service) -> None:
    server, _, own = shared_stack.env_for(service)["CLOSET_DATABASE_URL"].rpartition("/")
    others = {one.value.replace("-", "_") for one in Service} | {"postgres", "template1"}
    for name in others - {own}:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(f"{server}/{name}")


@pytest.mark.parametrize("sql", LEDGER)
async def test_the_ledger_is_written_by_its_functions_alone(shared_stack: Stack, sql: str) -> None:
    url = await urls(shared_stack, Service.BILLING_METER)
    arguments = ("--tenant", "acme", "--credits", "5", "--receipt", "r-1")
    await shared_stack.command(Service.BILLING_METER, "grant", *arguments)
    await refused(url, sql)


async def test_a_database_that_the_services_role_owned_is_handed_over(shared_stack: Stack) -> None:
    service, name = Service.UPLOAD_SIGNER, "upload_signer"
    await urls(shared_stack, service)
    superuser = await asyncpg.connect(shared_stack.postgres.url(name))
    try:
        await superuser.execute(f"REASSIGN OWNED BY {name}_owner TO {name}")
        await shared_stack._databases.ensure()
        owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        assert [row[0] for row in await superuser.fetch(owners)] == [f"{name}_owner"]
    finally:
        await superuser.close()
    await shared_stack.restart(service)
