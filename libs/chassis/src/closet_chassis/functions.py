"""SQL functions in files of their own, `migrations/functions/*.sql`: applied again whenever their text changes."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from importlib.resources import files
from typing import assert_never

import asyncpg
import structlog

log = structlog.get_logger(__name__)

_FUNCTION_FILE = re.compile(r"([a-z0-9_]+)\.sql")

FUNCTIONS_TABLE = """
-- Every text that a file of functions had here. `version`: the last numbered migration of the release that applied it.
CREATE TABLE IF NOT EXISTS schema_functions (
    package    text NOT NULL,
    name       text NOT NULL,
    checksum   text NOT NULL,
    version    int NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (package, name, checksum)
)
"""


class MigrationRefused(Exception):
    """The database and the files disagree about the past, or a migration is missing and may not be applied."""


@dataclass(frozen=True, slots=True)
class FunctionFile:
    """One file, `migrations/functions/name.sql` of its package; `version` is the package's last numbered migration."""

    package: str
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Return the digest of the file; a file with another one is applied again."""
        return digest(self.sql)

    @property
    def label(self) -> str:
        """Return the name that people use."""
        return f"{self.package} functions/{self.name}"


@dataclass(frozen=True, slots=True)
class AppliedText:
    """A text of a function file that a database has had, and the release's last numbered migration at the time."""

    checksum: str
    version: int


class Standing(Enum):
    """How a function file stands to what a database has."""

    CURRENT = auto()
    PENDING = auto()
    SUPERSEDED = auto()
    """A newer release has replaced this text: it stays replaced."""


def read_functions(package: str, version: int) -> list[FunctionFile]:
    """Return the package's files of functions, in the order of their names.

    Args:
        package: the name of an importable package.
        version: the number of its last numbered migration.

    Raises:
        MigrationRefused: a file is not named as it should be.
    """
    folder = files(package).joinpath("migrations", "functions")
    if not folder.is_dir():
        return []
    found = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        match = _FUNCTION_FILE.fullmatch(file.name)
        if match is None:
            raise MigrationRefused(f"{package}: functions/{file.name} is not named name.sql")
        found.append(FunctionFile(package, version, match[1], file.read_text(encoding="utf-8")))
    return found


def standing(function: FunctionFile, applied: Sequence[AppliedText]) -> Standing:
    """Return how a function file stands to the texts that it had in a database, oldest first.

    Releases are ordered by their last numbered migration. Between two with the same one, a text that was replaced
    once stays replaced: an older process that starts again beside a newer one must not undo it.
    """
    if not applied:
        return Standing.PENDING
    if applied[-1].checksum == function.checksum:
        return Standing.CURRENT
    if applied[-1].version != function.version:
        return Standing.SUPERSEDED if applied[-1].version > function.version else Standing.PENDING
    was_replaced = any(text.checksum == function.checksum for text in applied)
    return Standing.SUPERSEDED if was_replaced else Standing.PENDING


async def replace_functions(
    connection: "asyncpg.Connection[asyncpg.Record]",
    functions: Sequence[FunctionFile],
    *,
    apply: bool,
    all_again: bool,
) -> None:
    """Apply the files of functions that changed, in the caller's transaction.

    Args:
        connection: in the transaction that migrates.
        functions: the files of one package.
        apply: if False, only look.
        all_again: also those that did not change: a numbered migration may have dropped what they make.

    Raises:
        MigrationRefused: a function cannot be replaced, or has not been applied and `apply` is False.
    """
    for function in functions:
        stands = standing(function, await _applied_texts(connection, function))
        match stands:
            case Standing.SUPERSEDED:
                log.warning("function_superseded", package=function.package, function=function.name)
            case Standing.PENDING if not apply:
                raise MigrationRefused(f"{function.label} has not been applied")
            case Standing.PENDING:
                await _apply_function(connection, function)
            case Standing.CURRENT:
                if all_again:
                    await _apply_function(connection, function)
            case _:
                assert_never(stands)


async def _applied_texts(connection: "asyncpg.Connection[asyncpg.Record]", function: FunctionFile) -> list[AppliedText]:
    if await connection.fetchval("SELECT to_regclass('schema_functions')") is None:
        return []
    rows = await connection.fetch(
        "SELECT checksum, version FROM schema_functions WHERE package = $1 AND name = $2 ORDER BY applied_at",
        function.package,
        function.name,
    )
    return [AppliedText(**row) for row in rows]


async def _apply_function(connection: "asyncpg.Connection[asyncpg.Record]", function: FunctionFile) -> None:
    try:
        await connection.execute(function.sql)
    except asyncpg.InvalidFunctionDefinitionError as error:
        raise MigrationRefused(
            f"{function.label} changes what a function returns or how its arguments are called: drop the old one first,"
            " in the same file"
        ) from error
    await connection.execute(
        """
        INSERT INTO schema_functions (package, name, checksum, version) VALUES ($1, $2, $3, $4)
        ON CONFLICT (package, name, checksum) DO UPDATE SET version = excluded.version, applied_at = clock_timestamp()
        """,
        function.package,
        function.name,
        function.checksum,
        function.version,
    )
    log.info("function_applied", package=function.package, function=function.name)


def digest(text: str) -> str:
    """Return the SHA-256 of a file's text in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
