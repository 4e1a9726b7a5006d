"""Folders have one owner, and those of killed owners are swept."""

import subprocess
import sys
from pathlib import Path

import pytest
from closet_devstack.folders import FolderInUse, claimed, throw_away

OWNER = """
import time
from closet_devstack.folders import throw_away
with throw_away() as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def test_a_folder_serves_one_process_at_a_time(tmp_path: Path) -> None:
    with claimed(tmp_path / "data"), pytest.raises(FolderInUse), claimed(tmp_path / "data"):
        pass
    with claimed(tmp_path / "data") as folder:
        assert folder.is_dir()


def test_a_throw_away_folder_is_gone_afterwards() -> None:
    with throw_away() as folder:
        (folder / "file").touch()
    assert not folder.exists()


def test_the_folder_of_a_killed_owner_is_swept_and_that_of_a_living_one_is_not() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        left = Path(owner.stdout.readline().strip())
        with throw_away():
            assert left.exists()
        owner.kill()
    owner.wait()
    with throw_away():
        assert not left.exists()
