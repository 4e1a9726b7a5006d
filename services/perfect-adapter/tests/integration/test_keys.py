"""Several API keys: each with its own tasks and account; one that fails is taken out, and nobody is blamed."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.render import RenderSucceeded
from closet_devstack.testing import eventually
from perfect_adapter.admin import main
from perfect_adapter.vendor.keys import ApiKey


@pytest.fixture
async def keys(world: Any) -> tuple[ApiKey, ApiKey]:
    """Two good ones."""
    pair = ApiKey(secrets.token_hex(8)), ApiKey(secrets.token_hex(8))
    await world.vendor.change(api_keys=[key.secret for key in pair])
    return pair


async def used(world: Any) -> list[str]:
    return sorted({task["key"] for task in await world.vendor.tasks()})


async def test_work_is_spread_and_each_task_stays_with_its_key(
    start: Any, world: Any, keys: tuple[ApiKey, ApiKey]
) -> None:
    await start(PERFECT_API_KEY=f"{keys[0].secret},{keys[1].secret}")
    for job_id in [await world.job() for _ in range(6)]:
        assert isinstance((await world.end(job_id)).data, RenderSucceeded)
    assert await used(world) == sorted(key.secret for key in keys)
    assert "400" not in (await world.vendor.stats())["answersByStatus"], "another key's task would not be known"


@pytest.mark.parametrize(
    ("change", "reason"),
    [("inactive_keys", "InactiveApiKey"), ("expired_keys", "ExpiredApiKey")],
)
async def test_a_key_that_is_refused_is_out_and_the_other_goes_on(
    start: Any, world: Any, pool: Pool, keys: tuple[ApiKey, ApiKey], change: str, reason: str
) -> None:
    bad, good = keys
    await start(PERFECT_API_KEY=f"{bad.secret},{good.secret}")
    await world.vendor.change(**{change: [bad.secret]})
    for job_id in [await world.job() for _ in range(5)]:
        assert isinstance((await world.end(job_id)).data, RenderSucceeded)
    assert await used(world) == [good.secret]
    await pool.execute("UPDATE parties SET probe_at = now()")
    await eventually(lambda: pool.fetchval("SELECT reason = $1 FROM parties WHERE party = $2", reason, bad.name))
    await world.vendor.change(**{change: []})
    await pool.execute("UPDATE parties SET probe_at = now()")
    await eventually(lambda: pool.fetchval("SELECT state = 'active' FROM parties WHERE party = $1", bad.name))


async def test_keys_come_and_go_without_a_restart(
    start: Any, world: Any, pool: Pool, keys: tuple[ApiKey, ApiKey], tmp_path: Path
) -> None:
    first, second = keys
    file = tmp_path / "keys"
    file.write_text(f"{first.secret}\n")
    await start(PERFECT_API_KEY="", PERFECT_API_KEYS_FILE=str(file))
    await world.end(await world.job())
    file.write_text(f"{second.secret}\n")
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM parties WHERE party = $1", second.name))
    await world.end(await world.job())
    assert [task["key"] for task in await world.vendor.tasks()] == [first.secret, second.secret]


async def test_a_key_that_is_drained_finishes_what_it_began(
    start: Any, world: Any, pool: Pool, keys: tuple[ApiKey, ApiKey]
) -> None:
    old, new = keys
    await start(PERFECT_API_KEY=f"{old.secret}")
    await world.vendor.change(latency_ms=1000)
    begun = await world.job()
    await world.told(begun, 1)
    await pool.execute("UPDATE parties SET state = 'draining' WHERE party = $1", old.name)
    waiting = await world.job()
    assert isinstance((await world.end(begun)).data, RenderSucceeded)
    assert await pool.fetchval("SELECT state FROM renders WHERE job_id = $1", waiting) == "waiting"
    await start(PERFECT_API_KEY=f"{new.secret}")
    assert isinstance((await world.end(waiting)).data, RenderSucceeded)
    assert await used(world) == sorted([old.secret, new.secret])


async def test_no_key_is_ever_shown(
    start: Any, world: Any, pool: Pool, keys: tuple[ApiKey, ApiKey], capfd: pytest.CaptureFixture[str]
) -> None:
    await start(PERFECT_API_KEY=keys[0].secret)
    await world.vendor.change(inactive_keys=[keys[0].secret])
    await world.job()
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM parties WHERE state = 'out'"))
    assert keys[0].secret not in "".join(capfd.readouterr())
    assert keys[0].secret not in repr(keys[0])
    rows = await pool.fetch("SELECT t::text FROM parties t UNION ALL SELECT t::text FROM vendor_calls t")
    assert not [row for row in rows if keys[0].secret in row[0]]


async def test_the_operators_verbs(
    pool: Pool, database_url: str, dead: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "CLOSET_DATABASE_URL": database_url,
        "CLOSET_NATS_URL": "nats://nowhere",
        "PERFECT_API_KEY": "k",
        "S3_ENDPOINT": "http://s3",
        "S3_ACCESS_KEY_ID": "k",
        "S3_SECRET_ACCESS_KEY": "s",
    }.items():
        monkeypatch.setenv(name, value)
    (name,) = dead.gate.ring.keys

    def run(*arguments: str) -> tuple[int, str]:
        code = main(arguments)
        return code, capsys.readouterr().out

    assert (await asyncio.to_thread(run, "keys"))[0] == 0
    code, shown = await asyncio.to_thread(run, "keys", "drain", name)
    assert (code, '"draining"' in shown) == (0, True)
    assert await pool.fetchval("SELECT state FROM parties WHERE party = $1", name) == "draining"
    assert (await asyncio.to_thread(run, "keys", "enable", name))[0] == 0
    assert (await asyncio.to_thread(run, "keys", "drain", "key-unknown"))[0] == 1
    assert (await asyncio.to_thread(run, "calls", "job_x.0.1"))[0] == 1
