"""Databases on a server of ours: roles, and copies of migrated templates, which cost a fraction of migrating again."""

import secrets

import asyncpg
from closet_contracts.ownership import Service

from closet_devstack.parts import Postgres

_ROLE, _OWNER = "closet", "closet_owner"


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
    """For each service a database, a role that owns and migrates it, and one that works with it and owns nothing."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._passwords = {name: secrets.token_hex(16) for one in Service for name in (_name_of(one), _owner_of(one))}

    async def ensure(self) -> None:
        """Make what is missing; every role gets its password anew."""
        connection = await asyncpg.connect(self._server.url())
        try:
            for name, password in self._passwords.items():
                await create_role(connection, name, password)
            for service in Service:
                await self._ensure_database(connection, service)
            await connection.execute("REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC")
        finally:
            await connection.close()

    async def _ensure_database(self, connection: asyncpg.Connection, service: Service) -> None:
        name, owner = _name_of(service), _owner_of(service)
        await create_database(connection, name, owner)
        inside = await asyncpg.connect(self._server.url(name))
        try:  # one that was made when the service's role still owned it
            await inside.execute(f"REASSIGN OWNED BY {name} TO {owner}")
        finally:
            await inside.close()
        # Only now: with what was the service's own its rights go over to the owner too.
        await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {name}")

    def url(self, service: Service) -> str:
        """The database as the service works with it."""
        return self._server.url(_name_of(service), _name_of(service), self._passwords[_name_of(service)])

    def owner_url(self, service: Service) -> str:
        """The database as its owner, who migrates it."""
        return self._server.url(_name_of(service), _owner_of(service), self._passwords[_owner_of(service)])


def _name_of(service: Service) -> str:
    return service.value.replace("-", "_")


def _owner_of(service: Service) -> str:
    return f"{_name_of(service)}_owner"


class Databases:
    """Throw-away databases for tests, each a copy of a template with the same migrations.

    As in service, a role owns and migrates them, and another that owns nothing works with them.
    """

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._password = secrets.token_hex(16)
        self._templates: dict[tuple[str, ...], str] = {}

    async def create(self, *packages: str) -> str:
        """The URL of a new database in which these packages' migrations have run, for the role that works with it.

        Without packages it is empty, and the URL is its owner's, who is no superuser.
        """
        connection = await asyncpg.connect(self._server.url())
        try:
            template = await self._template(connection, packages)
            name = f"test_{secrets.token_hex(6)}"
            await connection.execute(f"CREATE DATABASE {name} OWNER {_OWNER} TEMPLATE {template} STRATEGY FILE_COPY")
        finally:
            await connection.close()
        return self._url(name, _ROLE if packages else _OWNER)

    def owner_url(self, url: str) -> str:
        """The same database for its owner."""
        return self._url(url.rpartition("/")[2], _OWNER)

    async def drop(self, url: str) -> None:
        connection = await asyncpg.connect(self._server.url())
        try:
            await connection.execute(f"DROP DATABASE {_quoted(url.rpartition('/')[2])} WITH (FORCE)")
        finally:
            await connection.close()

    async def _template(self, connection: asyncpg.Connection, packages: tuple[str, ...]) -> str:
        if packages not in self._templates:
            if not self._templates:
                for role in (_ROLE, _OWNER):
                    await create_role(connection, role, self._password)
            name = f"template_{secrets.token_hex(6)}"
            await connection.execute(f"CREATE DATABASE {name} OWNER {_OWNER}")
            if packages:
                from closet_chassis.postgres import migrate  # noqa: PLC0415 - only where something is to be migrated

                await migrate(self._url(name, _OWNER), *packages, role=_ROLE)
            self._templates[packages] = name
        return self._templates[packages]

    def _url(self, name: str, role: str) -> str:
        return self._server.url(name, role, self._password)
