import asyncio
import hashlib
import re
import sys
from pathlib import Path

import asyncpg
import pytest
from closet_chassis.functions import MigrationRefused
from closet_chassis.postgres import migrate

from .conftest import Package, query

CATS = {"0001_cats": "CREATE TABLE cats (id int); CREATE INDEX ON cats (id);"}
DOGS = {"0002_dogs": "CREATE TABLE dogs (id int)"}


async def history(url: str) -> list[tuple[object, ...]]:
    return await query(url, "SELECT package, version FROM schema_migrations ORDER BY package, version")


async def tables(url: str) -> set[object]:
    rows = await query(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in rows}


async def test_files_run_once_in_order(database: str, package: Package) -> None:
    pets = package("pets", DOGS, CATS)
    await migrate(database, pets)
    await migrate(database, pets)
    assert await history(database) == [("pets", 1), ("pets", 2)]
    assert await tables(database) == {"cats", "dogs", "schema_functions", "schema_migrations"}


async def test_later_files_run_later_and_packages_keep_apart(database: str, package: Package) -> None:
    await migrate(database, package("pets", CATS))
    await migrate(database, package("pets", CATS, DOGS), package("birds", {"0001_birds": "CREATE TABLE birds ()"}))
    assert await history(database) == [("birds", 1), ("pets", 1), ("pets", 2)]


async def test_a_changed_file_is_refused(database: str, package: Package) -> None:
    await migrate(database, package("pets", CATS))
    package("pets", {"0001_cats": "CREATE TABLE cats (id bigint)"}, DOGS)
    with pytest.raises(MigrationRefused, match=re.escape("pets 0001_cats was changed")):
        await migrate(database, "pets")
    assert "dogs" not in await tables(database)


async def test_a_file_that_vanished_is_refused(database: str, package: Package) -> None:
    await migrate(database, package("pets", CATS))
    package("pets", DOGS)
    with pytest.raises(MigrationRefused, match="0001 is no longer there"):
        await migrate(database, "pets")


async def test_a_file_before_one_that_ran_is_refused(database: str, package: Package) -> None:
    await migrate(database, package("pets", DOGS))
    package("pets", CATS, DOGS)
    with pytest.raises(MigrationRefused, match="before one already applied"):
        await migrate(database, "pets")
    assert "cats" not in await tables(database)


async def test_a_database_that_a_newer_release_has_migrated_is_fine(database: str, package: Package) -> None:
    await migrate(database, package("pets", CATS, DOGS))
    await migrate(database, package("pets", CATS))
    assert await history(database) == [("pets", 1), ("pets", 2)]


async def test_a_failing_file_leaves_everything_as_it_was(database: str, package: Package) -> None:
    package("pets", CATS, {"0002_bad": "CREATE TABLE half (); SELECT nonsense"})
    with pytest.raises(asyncpg.UndefinedColumnError):
        await migrate(database, "pets")
    assert await tables(database) == set()


async def test_looking_only_refuses_what_is_missing_and_changes_nothing(database: str, package: Package) -> None:
    pets = package("pets", CATS)
    with pytest.raises(MigrationRefused, match="pets 0001_cats has not been applied"):
        await migrate(database, pets, apply=False)
    assert await tables(database) == set()
    await migrate(database, pets)
    await migrate(database, pets, apply=False)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"1_cats": ""}, "not named"),
        ({"0001-cats": ""}, "not named"),
        ({"0001_cats": "", "0001_dogs": ""}, "two migrations are numbered 0001"),
    ],
)
async def test_files_that_are_named_badly_are_refused(package: Package, files: dict[str, str], reason: str) -> None:
    with pytest.raises(MigrationRefused, match=reason):
        await migrate("postgresql://never-asked", package("pets", files))


async def test_many_processes_migrate_at_once_and_each_file_runs_once(
    database: str, package: Package, tmp_path: Path
) -> None:
    package("pets", {"0001_cats": "CREATE TABLE cats (); SELECT pg_sleep(0.2)"}, DOGS)
    code = "import asyncio, sys; from closet_chassis.postgres import migrate; asyncio.run(migrate(sys.argv[1], 'pets'))"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, database, env={"PYTHONPATH": str(tmp_path)})
        for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    assert await history(database) == [("pets", 1), ("pets", 2)]


async def test_a_rewritten_file_is_known_by_its_original(database: str, package: Package) -> None:
    """Databases that applied the original take the new text for it, and older processes take those of the new text."""
    original = hashlib.sha256(CATS["0001_cats"].encode()).hexdigest()
    rewritten = {"0001_cats": f"-- Original: sha256 {original}\nCREATE TABLE cats (id int);"}
    await migrate(database, package("pets", CATS))
    await migrate(database, package("pets", rewritten))
    await query(database, "DROP TABLE cats")
    await query(database, "DELETE FROM schema_migrations")
    await migrate(database, package("pets", rewritten))
    await migrate(database, package("pets", CATS))
    assert await history(database) == [("pets", 1)]
