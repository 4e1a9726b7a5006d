"""Pictures in processes of their own: whatever happens to one, the next is served, and nobody is left behind."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from closet_devstack.testing import eventually
from closet_storage import pool as pool_module
from closet_storage.picture import PictureRejected
from closet_storage.pool import PicturePool, PoolUnavailable
from PIL import Image


def picture(size: tuple[int, int] = (640, 480), mode: str = "RGB", kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, (200, 100, 30, 120)[: len(mode)]).save(out, kind)
    return out.getvalue()


PICTURE = picture()


@pytest.fixture
async def pool() -> AsyncIterator[PicturePool]:
    async with PicturePool() as pool:
        yield pool


def pids(pool: PicturePool) -> list[int]:
    return [worker._process.pid for worker in pool._all]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_it_costs_nothing_until_it_is_used(pool: PicturePool) -> None:
    assert pids(pool) == []
    normal = await pool.normalise(PICTURE)
    assert (normal.width, normal.height, normal.content_type) == (640, 480, "image/jpeg")
    assert (await pool.fit(PICTURE, 100, 50)).height == 50
    assert len(pids(pool)) == 1


async def test_clean_bytes_come_back_as_the_same_object(pool: PicturePool) -> None:
    assert (await pool.check_result(PICTURE)).data is PICTURE


async def test_an_idle_worker_gives_the_memory_back(pool: PicturePool) -> None:
    noise = io.BytesIO()
    Image.effect_noise((2000, 2000), 40).save(noise, "JPEG")
    for _ in range(3):
        await pool.normalise(noise.getvalue())
    (pid,) = pids(pool)
    await eventually(lambda: psutil.Process(pid).memory_info().rss < 40 << 20)


async def test_limits_and_refusals_pass_through(pool: PicturePool) -> None:
    assert (await pool.normalise(PICTURE, max_side=512)).width == 512
    with pytest.raises(PictureRejected) as caught:
        await pool.normalise(PICTURE[:-50])
    assert caught.value.code == "picture_damaged"
    with pytest.raises(PictureRejected) as caught:
        await pool.normalise(PICTURE, min_side=1000)
    assert (caught.value.code, caught.value.message[-1]) == ("picture_too_small", ".")
    assert len(pids(pool)) == 1


async def test_the_largest_picture_fits_the_memory_and_more_is_refused() -> None:
    large = picture((7071, 7071), "RGBA", "PNG")
    async with PicturePool() as pool:
        assert (await pool.normalise(large, max_side=600)).width == 600
    async with PicturePool(memory_bytes=300 << 20) as pool:
        with pytest.raises(PictureRejected) as caught:
            await pool.normalise(large)
        assert caught.value.code == "decompression_bomb"
        assert (await pool.normalise(PICTURE)).width == 640


async def test_a_worker_killed_in_the_middle_costs_nothing(pool: PicturePool) -> None:
    await pool.normalise(PICTURE)
    (pid,) = pids(pool)
    os.kill(pid, signal.SIGSTOP)  # so that it is in the middle for certain
    call = asyncio.create_task(pool.normalise(PICTURE))
    await eventually(lambda: not pool._idle)
    os.kill(pid, signal.SIGKILL)
    assert (await call).width == 640
    assert pid not in pids(pool)


async def test_a_worker_that_died_idle_is_replaced(pool: PicturePool) -> None:
    await pool.normalise(PICTURE)
    (pid,) = pids(pool)
    os.kill(pid, signal.SIGKILL)
    assert (await pool.normalise(PICTURE)).width == 640


# The worker itself, with a decoder that never ends: how long a picture takes would be a matter of the machine.
ENDLESS = """
import sys
from closet_storage import images, worker
def normalise(data, max_bytes):
    open({tries!r}, "a").write("x")
    while True:
        pass
images.normalise = normalise
worker._restrict = lambda parent, memory_bytes: None  # it may write no file otherwise
worker.main(*(int(argument) for argument in sys.argv[1:]))
"""


async def test_a_picture_that_takes_too_much_of_the_processor_is_to_blame_after_two_tries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tries, program = tmp_path / "tries", tmp_path / "endless.py"
    program.write_text(ENDLESS.format(tries=str(tries)))
    monkeypatch.setattr(pool_module, "_PROGRAM", (str(program),))
    async with PicturePool(cpu_s=1) as pool:
        with pytest.raises(PictureRejected) as caught:
            await pool.normalise(PICTURE)
    assert caught.value.code == "picture_damaged"
    assert tries.read_text() == "xx"


async def test_each_picture_has_the_whole_time_for_itself() -> None:
    large = picture((4000, 3000))
    async with PicturePool(cpu_s=1) as pool:
        first = pids(pool)
        for _ in range(12):
            await pool.normalise(large)
            first = first or pids(pool)
        assert pids(pool) == first


async def test_a_slow_machine_is_no_picture_s_fault() -> None:
    async with PicturePool(timeout_s=0.01) as pool:
        with pytest.raises(PoolUnavailable):
            await pool.normalise(picture((7000, 7000)))
        assert pids(pool) == []


LAST_WORDS = {"none": b"", "endless": b"\xff" * 8, "junk": b"\0\0\0\4\0\0\0\0junk"}


@pytest.mark.parametrize("last_words", LAST_WORDS.values(), ids=LAST_WORDS)
async def test_a_picture_that_kills_its_workers_is_to_blame_after_two_tries(
    pool: PicturePool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, last_words: bytes
) -> None:
    tries = tmp_path / "tries"
    program = tmp_path / "dies.py"
    program.write_text(
        "import sys\nfrom closet_storage.worker import _send\n"
        "_send(sys.stdout.buffer, {'ready': True})\nsys.stdin.buffer.read(100)\n"
        f"open({str(tries)!r}, 'a').write('x')\nsys.stdout.buffer.write({last_words!r})\nsys.exit(1)\n"
    )
    monkeypatch.setattr(pool_module, "_PROGRAM", (str(program),))
    with pytest.raises(PictureRejected) as caught:
        await pool.normalise(PICTURE)
    assert caught.value.code == "picture_damaged"
    assert tries.read_text() == "xx"
    monkeypatch.undo()
    assert (await pool.normalise(PICTURE)).width == 640


async def test_a_worker_that_cannot_start_is_no_picture_s_fault(
    pool: PicturePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_PROGRAM", ("-c", "pass"))
    with pytest.raises(PoolUnavailable):
        await pool.normalise(PICTURE)
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    with pytest.raises(PoolUnavailable):
        await pool.normalise(PICTURE)


async def test_a_caller_that_goes_away_leaves_no_answer_to_the_next(pool: PicturePool) -> None:
    await pool.normalise(PICTURE)
    (pid,) = pids(pool)
    os.kill(pid, signal.SIGSTOP)
    call = asyncio.create_task(pool.normalise(PICTURE))
    await eventually(lambda: not pool._idle)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await pool.fit(PICTURE, 10, 10)).width == 10
    assert gone(pid)


async def test_no_more_workers_than_allowed_and_none_for_ever() -> None:
    async with PicturePool(2, pictures_per_worker=3) as pool:
        seen: set[int] = set()
        for _ in range(4):
            await asyncio.gather(*(pool.fit(PICTURE, 20, 20) for _ in range(4)))
            seen.update(pids(pool))
            assert len(pids(pool)) <= 2
        assert len(seen) > 2


async def test_closing_ends_all_and_says_so_to_who_waits() -> None:
    pool = PicturePool()
    await pool.normalise(PICTURE)
    (pid,) = pids(pool)
    os.kill(pid, signal.SIGSTOP)
    calls = [asyncio.create_task(pool.normalise(PICTURE)) for _ in range(3)]
    await eventually(lambda: not pool._idle)
    await pool.close()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [PoolUnavailable] * 3
    assert gone(pid)


async def test_workers_know_no_secrets(pool: PicturePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "hidden")
    await pool.normalise(PICTURE)
    (pid,) = pids(pool)
    assert "hidden" not in psutil.Process(pid).environ().values()


PARENT = """
import asyncio, sys
from closet_storage.pool import PicturePool
assert "PIL" not in sys.modules and "numpy" not in sys.modules
async def main():
    pool = PicturePool(2, timeout_s=60)
    big = open(sys.argv[1], "rb").read()
    tasks = [asyncio.create_task(pool.fit(big, 4000, 4000)) for _ in range(2)]
    while len(pool._all) < 2:
        await asyncio.sleep(0.01)
    print(*(worker._process.pid for worker in pool._all), flush=True)
    await asyncio.gather(*tasks)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "big.jpg"
    file.write_bytes(picture((7000, 7000)))
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, file, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout
    workers = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)  # so that they cannot notice by themselves
    parent.kill()
    await parent.wait()
    await eventually(lambda: all(gone(pid) for pid in workers))
