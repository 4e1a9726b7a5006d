"""Databases on a server of ours: roles, and copies of migrated templates, which cost a fraction of migrating again."""

import secrets

import asyncpg
from closet_contracts.nouns import Service

from closet_devstack.parts import Postgres

_ROLE = "closet"


async def create_role(connection: asyncpg.Connection, name: str, password: str) -> None:
    """A role that may log in, or a new password for it."""
    verb = "ALTER" if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name) else "CREATE"
    await connection.execute(f"{verb} ROLE {_quoted(name)} LOGIN PASSWORD '{password.replace(chr(39), chr(39) * 2)}'")


async def create_database(connection: asyncpg.Connection, name: str, owner: str) -> None:
    """A database that only its owner may enter, unless it is there."""
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await connection.execute(f"CREATE DATABASE {_quoted(name)} OWNER {_quoted(owner)}")
    await connection.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {_quoted(name)} FROM PUBLIC")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class ServiceDatabases:
    """A role and a database of its own for each service."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._passwords = {service: secrets.token_hex(16) for service in Service}

    async def ensure(self) -> None:
        """Make what is missing; every role gets its password anew."""
        connection = await asyncpg.connect(self._server.url())
        try:
            for service, password in self._passwords.items():
                await create_role(connection, _name_of(service), password)
                await create_database(connection, _name_of(service), _name_of(service))
        finally:
            await connection.close()

    def url(self, service: Service) -> str:
        return self._server.url(_name_of(service), _name_of(service), self._passwords[service])


def _name_of(service: Service) -> str:
    return service.value.replace("-", "_")


class Databases:
    """Throw-away databases for tests, each a copy of a template with the same migrations."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._password = secrets.token_hex(16)
        self._templates: dict[tuple[str, ...], str] = {}

    async def create(self, *packages: str) -> str:
        """The URL of a new database in which these packages' migrations have run; its owner is no superuser."""
        connection = await asyncpg.connect(self._server.url())
        try:
            template = await self._template(connection, packages)
            name = f"test_{secrets.token_hex(6)}"
            await connection.execute(f"CREATE DATABASE {name} OWNER {_ROLE} TEMPLATE {template} STRATEGY FILE_COPY")
        finally:
            await connection.close()
        return self._url(name)

    async def drop(self, url: str) -> None:
        connection = await asyncpg.connect(self._server.url())
        try:
            await connection.execute(f"DROP DATABASE {_quoted(url.rpartition('/')[2])} WITH (FORCE)")
        finally:
            await connection.close()

    async def _template(self, connection: asyncpg.Connection, packages: tuple[str, ...]) -> str:
        if packages not in self._templates:
            if not self._templates:
                await create_role(connection, _ROLE, self._password)
            name = f"template_{secrets.token_hex(6)}"
            await connection.execute(f"CREATE DATABASE {name} OWNER {_ROLE}")
            if packages:
                from closet_chassis.postgres import migrate  # noqa: PLC0415 - only where something is to be migrated

                await migrate(self._url(name), *packages)
            self._templates[packages] = name
        return self._templates[packages]

    def _url(self, name: str) -> str:
        return self._server.url(name, _ROLE, self._password)
