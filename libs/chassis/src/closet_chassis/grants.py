"""What a role that owns nothing may do in a service's database: read and write rows, unless a package allows less."""

from collections.abc import Iterable
from importlib.resources import files

import asyncpg

GRANTS = "grants.sql"
"""Beside a package's migrations: statements that take rights from `{role}` again."""

_ALL = """
    GRANT USAGE ON SCHEMA public TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
    REVOKE INSERT, UPDATE, DELETE ON schema_migrations, schema_functions FROM {role};
"""


async def grant_use(connection: "asyncpg.Connection[asyncpg.Record]", role: str, packages: Iterable[str]) -> None:
    """Grant the role the use of every table there is now, in the transaction that made them."""
    quoted = '"' + role.replace('"', '""') + '"'
    for sql in filter(None, (_ALL, *(_of(package) for package in packages))):
        await connection.execute(sql.replace("{role}", quoted))


def _of(package: str) -> str:
    file = files(package).joinpath("migrations", GRANTS)
    return file.read_text(encoding="utf-8") if file.is_file() else ""
