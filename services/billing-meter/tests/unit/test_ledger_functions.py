"""The ledger's rules: each stands in one file, and what databases have applied does not change."""

import hashlib
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

from closet_chassis.migrations import read_migrations

FOLDER = Path(str(files("billing_meter"))) / "migrations"
MAKES = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)")

REWRITTEN = {
    2: "061eb0f1",
    4: "eac691b3",
    5: "bc805438",
    6: "b2e8d3ec",
    10: "345678cd",
    11: "b50ab643",
}
"""Databases keep the digests of the originals only: so these are kept here."""


def test_every_function_is_made_in_one_place() -> None:
    made = Counter(name for file in FOLDER.rglob("*.sql") for name in MAKES.findall(file.read_text()))
    assert {name for name, count in made.items() if count > 1} == set()
    assert {"hold_credits", "capture_credits", "release_credits", "refund_credits"} <= set(made)


def test_numbered_files_make_no_function_but_the_guards_of_the_tables() -> None:
    made = [name for file in FOLDER.glob("*.sql") for name in MAKES.findall(file.read_text())]
    assert sorted(made) == ["refuse_change", "refuse_imbalance"]


def test_every_file_of_functions_begins_with_a_sentence() -> None:
    assert all(re.match(r"-- [A-Z]", file.read_text()) for file in FOLDER.glob("functions/*.sql"))


def test_rewritten_files_do_not_change_again() -> None:
    rewritten = [migration for migration in read_migrations("billing_meter") if "-- Original" in migration.sql]
    assert {one.version: hashlib.sha256(one.sql.encode()).hexdigest()[:8] for one in rewritten} == REWRITTEN
