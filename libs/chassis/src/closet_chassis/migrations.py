"""Migrations: numbered SQL files inside a package, applied once, forward only; and its functions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import asyncpg
import structlog

from closet_chassis.functions import FUNCTIONS_TABLE, MigrationRefused, digest, read_functions, replace_functions
from closet_chassis.grants import GRANTS, grant_use

log = structlog.get_logger(__name__)

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
# The first line of a numbered file that was rewritten after databases had applied it; they know it by its original.
_ORIGINAL = re.compile(r"-- Original: sha256 ([0-9a-f]{64})\n")
_LOCK = 0x636C6F736574  # "closet": one migration at a time in a database
_LOCK_TIMEOUT = "10s"  # for the tables a migration alters; waiting longer would queue all traffic behind it
_CONNECT_TIMEOUT_S = 10.0

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    package    text NOT NULL,
    version    int NOT NULL,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package, version)
);
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file, `migrations/NNNN_name.sql` of its package."""

    package: str
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Return the digest that databases keep: the file's own, or its original's if the file was rewritten."""
        original = _ORIGINAL.match(self.sql)
        return original[1] if original else digest(self.sql)

    @property
    def label(self) -> str:
        """Return the name that people use."""
        return f"{self.package} {self.version:04d}_{self.name}"


async def migrate(url: str, *packages: str, apply: bool = True, role: str | None = None) -> None:
    """Bring the database to what the packages' files say, all in one transaction; any number may call at once.

    Args:
        url: the database.
        packages: names of importable packages, in the order to apply them.
        apply: if False, only look.
        role: who is to work with the tables without owning them; what it may do is granted anew each time.

    Raises:
        MigrationRefused: an applied file changed or vanished, a new one would have to run before an applied one, a
            function cannot be replaced, or something is missing and `apply` is False. The database is as it was.
    """
    wanted = {package: read_migrations(package) for package in packages}
    functions = {package: read_functions(package, _last(migrations)) for package, migrations in wanted.items()}
    connection = await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_S)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            if apply:
                await connection.execute(_TABLE + FUNCTIONS_TABLE)
            for package, migrations in wanted.items():
                is_changed = await _migrate(connection, package, migrations, apply=apply)
                await replace_functions(connection, functions[package], apply=apply, all_again=is_changed)
            if apply and role:
                await grant_use(connection, role, packages)
    finally:
        await connection.close()


def read_migrations(package: str) -> list[Migration]:
    """Return the numbered migrations inside `package`, in order.

    Raises:
        MigrationRefused: a file is not named as it should be, or two have one number.
    """
    found: dict[int, Migration] = {}
    for file in files(package).joinpath("migrations").iterdir():
        match = _FILE.fullmatch(file.name)
        if match is None:
            if file.name.endswith(".sql") and file.name != GRANTS:
                raise MigrationRefused(f"{package}: {file.name} is not named NNNN_name.sql")
            continue
        version = int(match[1])
        if version in found:
            raise MigrationRefused(f"{package}: two migrations are numbered {version:04d}")
        found[version] = Migration(package, version, match[2], file.read_text(encoding="utf-8"))
    return [found[version] for version in sorted(found)]


def missing(package: str, migrations: Sequence[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """Return what has to run, given the checksums of what ran. Newer versions are a later release's, and fine."""
    ours = {migration.version for migration in migrations}
    if lost := sorted(version for version in applied if version not in ours and version < _last(migrations)):
        raise MigrationRefused(f"{package}: applied migration {lost[0]:04d} is no longer there")
    pending = []
    for migration in migrations:
        if migration.version not in applied:
            if migration.version < max(applied, default=0):
                raise MigrationRefused(f"{migration.label} comes before one already applied")
            pending.append(migration)
        elif applied[migration.version] != migration.checksum:
            raise MigrationRefused(f"{migration.label} was changed after it had been applied")
    return pending


async def _migrate(
    connection: "asyncpg.Connection[asyncpg.Record]", package: str, migrations: Sequence[Migration], *, apply: bool
) -> bool:
    """Apply what is missing; return whether there was anything."""
    pending = missing(package, migrations, await _applied(connection, package))
    if pending and not apply:
        raise MigrationRefused(f"{pending[0].label} has not been applied")
    for migration in pending:
        await _apply(connection, migration)
    return bool(pending)


async def _applied(connection: "asyncpg.Connection[asyncpg.Record]", package: str) -> dict[int, str]:
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return {}
    rows = await connection.fetch("SELECT version, checksum FROM schema_migrations WHERE package = $1", package)
    return {row["version"]: row["checksum"] for row in rows}


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    await connection.execute(migration.sql)
    await connection.execute(
        "INSERT INTO schema_migrations (package, version, name, checksum) VALUES ($1, $2, $3, $4)",
        migration.package,
        migration.version,
        migration.name,
        migration.checksum,
    )
    log.info("migration_applied", package=migration.package, version=migration.version, migration=migration.name)


def _last(migrations: Sequence[Migration]) -> int:
    return max((migration.version for migration in migrations), default=0)
