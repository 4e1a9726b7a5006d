"""Functions in files of their own: applied when their text changes, never undone by an older process."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest
from closet_chassis.functions import AppliedText, FunctionFile, MigrationRefused, Standing, standing
from closet_chassis.postgres import migrate

from .conftest import Package, query

CATS = {"0001_cats": "CREATE TABLE cats (id int)"}
DOGS = {"0002_dogs": "CREATE TABLE dogs (id int)"}


def legs(count: int, *, returns: str = "int", drop: str = "") -> dict[str, str]:
    sql = f"CREATE OR REPLACE FUNCTION legs() RETURNS {returns} LANGUAGE sql AS $$ SELECT {count}::{returns} $$;"
    return {"functions/legs": f"{drop}\n{sql}"}


NAME = {"functions/name": "CREATE OR REPLACE FUNCTION name() RETURNS text LANGUAGE sql AS $$ SELECT 'cat' $$"}


async def answer(url: str) -> object:
    return (await query(url, "SELECT legs()"))[0][0]


async def applied_at(url: str) -> dict[object, object]:
    return {
        str(name): at for name, at in await query(url, "SELECT name, max(applied_at) FROM schema_functions GROUP BY 1")
    }


async def test_a_changed_text_is_applied_again_once_and_others_are_not(database: str, package: Package) -> None:
    await migrate(database, package("pets", CATS, legs(3), NAME))
    first = await applied_at(database)
    await migrate(database, package("pets", CATS, legs(4), NAME))
    second = await applied_at(database)
    await migrate(database, "pets")
    assert await applied_at(database) == second
    assert await answer(database) == 4
    assert (second["legs"] == first["legs"], second["name"] == first["name"]) == (False, True)


async def test_a_function_that_a_numbered_migration_dropped_is_made_again(database: str, package: Package) -> None:
    await migrate(database, package("pets", CATS, legs(4)))
    drop = {"0002_drop": "DROP FUNCTION legs()"}
    await migrate(database, package("pets", CATS, drop, legs(4)))
    assert await answer(database) == 4


async def test_looking_only_refuses_a_changed_text_and_changes_nothing(database: str, package: Package) -> None:
    package("pets", CATS, legs(3))
    await migrate(database, "pets")
    await migrate(database, "pets", apply=False)
    package("pets", CATS, legs(4))
    with pytest.raises(MigrationRefused, match="pets functions/legs has not been applied"):
        await migrate(database, "pets", apply=False)
    assert await answer(database) == 3


async def test_looking_only_refuses_where_no_function_ever_was(database: str, package: Package) -> None:
    await migrate(database, package("pets", CATS))
    await query(database, "DROP TABLE schema_functions")
    with pytest.raises(MigrationRefused, match="pets functions/legs has not been applied"):
        await migrate(database, package("pets", CATS, legs(4)), apply=False)


async def test_a_failing_function_leaves_everything_as_it_was(database: str, package: Package) -> None:
    await migrate(database, package("pets", CATS, legs(3)))
    broken = {"functions/name": "CREATE OR REPLACE FUNCTION name() RETURNS text LANGUAGE sql AS $$ SELECT nonsense $$"}
    package("pets", CATS, DOGS, legs(4), broken)
    with pytest.raises(asyncpg.UndefinedColumnError):
        await migrate(database, "pets")
    assert await answer(database) == 3
    assert await query(database, "SELECT to_regclass('dogs')") == [(None,)]
    assert await query(database, "SELECT count(*) FROM schema_functions") == [(1,)]


async def test_a_changed_signature_is_refused_until_the_old_one_is_dropped(database: str, package: Package) -> None:
    await migrate(database, package("pets", CATS, legs(3)))
    with pytest.raises(MigrationRefused, match="pets functions/legs changes what a function returns"):
        await migrate(database, package("pets", CATS, legs(4, returns="text")))
    assert await answer(database) == 3
    await migrate(database, package("pets", CATS, legs(4, returns="text", drop="DROP FUNCTION IF EXISTS legs();")))
    assert await answer(database) == "4"


async def test_an_older_process_without_the_file_undoes_nothing(database: str, package: Package) -> None:
    await migrate(database, package("pets", CATS, DOGS, legs(4), NAME))
    await migrate(database, package("pets", CATS))
    await migrate(database, package("pets", CATS), apply=False)
    assert await answer(database) == 4


@pytest.mark.parametrize("newer", [CATS, CATS | DOGS], ids=["no migration between", "a migration between"])
async def test_an_older_process_with_an_older_text_undoes_nothing(
    database: str, package: Package, newer: dict[str, str]
) -> None:
    await migrate(database, package("pets", CATS, legs(3)))
    await migrate(database, package("pets", newer, legs(4)))
    for apply in (True, False):
        await migrate(database, package("pets", CATS, legs(3)), apply=apply)
        assert await answer(database) == 4


async def test_an_older_text_is_not_applied_to_a_database_that_a_newer_release_made(
    database: str, package: Package
) -> None:
    await migrate(database, package("pets", CATS, DOGS, legs(4)))
    await migrate(database, package("pets", CATS, legs(3)))
    assert await answer(database) == 4


async def test_many_processes_at_once_apply_each_function_once(database: str, package: Package, tmp_path: Path) -> None:
    package("pets", CATS, legs(4), {"functions/a": "SELECT pg_sleep(0.2); CREATE TABLE once ()"})
    code = "import asyncio, sys; from closet_chassis.postgres import migrate; asyncio.run(migrate(sys.argv[1], 'pets'))"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, database, env={"PYTHONPATH": str(tmp_path)})
        for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    assert await query(database, "SELECT name FROM schema_functions ORDER BY name") == [("a",), ("legs",)]


async def test_a_file_that_is_named_badly_is_refused(package: Package) -> None:
    with pytest.raises(MigrationRefused, match="is not named"):
        await migrate("postgresql://never-asked", package("pets", CATS, {"functions/Legs": ""}))


@pytest.mark.parametrize(
    ("version", "texts", "expected"),
    [
        (1, [], Standing.PENDING),
        (1, [("ours", 1)], Standing.CURRENT),
        (1, [("ours", 2)], Standing.CURRENT),
        (1, [("theirs", 1)], Standing.PENDING),
        (1, [("ours", 1), ("theirs", 1)], Standing.SUPERSEDED),
        (1, [("theirs", 2)], Standing.SUPERSEDED),
        (2, [("ours", 1), ("theirs", 1)], Standing.PENDING),  # a release that goes back to an earlier text
    ],
)
def test_releases_are_ordered_by_their_last_migration(
    version: int, texts: list[tuple[str, int]], expected: Standing
) -> None:
    function = FunctionFile("pets", version, "legs", "SELECT 1")
    applied = [AppliedText(text.replace("ours", function.checksum), number) for text, number in texts]
    assert standing(function, applied) is expected
