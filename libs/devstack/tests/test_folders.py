"""Folders have one owner, and those of killed owners are swept."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from closet_devstack.folders import FolderInUse, claimed, throw_away
from closet_devstack.servers import reach

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


def test_many_that_start_at_once_each_get_a_folder_while_all_of_them_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr("closet_devstack.folders._home", lambda: tmp_path)

    def use_one(_number: int) -> None:
        with throw_away() as folder:
            (folder / "file").touch()
            assert (folder / "file").exists()

    for number in range(200):
        abandoned = tmp_path / f"closet-devstack-{number}"
        abandoned.mkdir()
        (abandoned / "owner.lock").touch()
    with ThreadPoolExecutor(8) as starting:
        list(starting.map(use_one, range(400)))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def lending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where root lends folders to PostgreSQL's user."""
    home = tmp_path / "lending"
    monkeypatch.setattr(reach, "PUBLIC", home)
    return home


def _clone(parent: Path) -> Path:
    """A folder in which a server's link to its lent data may be."""
    folder = parent / "build"
    folder.mkdir(parents=True)
    return folder / "data"


def test_lent_data_goes_when_no_link_leads_to_it(lending: Path, tmp_path: Path) -> None:
    link = _clone(tmp_path / "one")
    abandoned = reach.lend_data(link)
    link.unlink()
    kept = reach.lend_data(link)
    assert link.readlink() == kept
    reach.lend_data(_clone(tmp_path / "two"))
    assert not abandoned.parent.exists()
    assert kept.parent.exists()
    assert len(list(lending.iterdir())) == 2


def test_lent_data_stays_when_it_is_not_known_whose_it_is(lending: Path, tmp_path: Path) -> None:
    kept = reach.lend_data(_clone(tmp_path / "one"))
    (kept.parent / "used-by").write_text("build/data")  # relative to a folder that nobody remembers
    reach.lend_data(_clone(tmp_path / "two"))
    assert kept.parent.parent == lending
    assert kept.parent.exists()


def test_lent_data_on_which_a_server_runs_stays_though_its_link_is_gone(lending: Path, tmp_path: Path) -> None:
    link = _clone(tmp_path / "one")
    served = reach.lend_data(link)
    served.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()", str(served)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        (served / "postmaster.pid").write_text(f"{server.pid}\n")
        link.unlink()
        reach.lend_data(_clone(tmp_path / "two"))
        assert served.exists()
    reach.lend_data(_clone(tmp_path / "three"))
    assert not served.exists()
    assert len(list(lending.iterdir())) == 2
