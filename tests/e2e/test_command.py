"""The `closet` command, as its user has it."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from closet_devstack import samples
from closet_devstack.shop import Shop
from PIL import Image

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROGRAMS = Path(sys.executable).parent


async def closet(shop: Shop, *arguments: str | Path) -> str:
    """Run the shop's command; return what it prints. It has to succeed."""
    environment = {
        "CLOSET_URL": shop.stack.url("kiosk-gateway"),
        "CLOSET_API_KEY": shop.tenant.api_key,
        "CLOSET_USER": "shopper-1",
    }
    return await _run("closet", arguments, environment)


async def closet_ops(shop: Shop, *arguments: str) -> str:
    """Run the operator's command; return what it prints. It has to succeed."""
    return await _run("closet-ops", arguments, {"CLOSET_NATS_URL": shop.stack.nats.url()})


async def _run(program: str, arguments: Sequence[str | Path], environment: Mapping[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        PROGRAMS / program,
        *arguments,
        env={"PATH": os.defpath, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_a_try_on_from_the_terminal(shop: Shop, tmp_path: Path) -> None:
    person, garment = samples.write_samples(tmp_path)
    size = ("--width", "480", "--height", "640")
    made = json.loads(
        await closet(shop, "tryon", person, garment, "--consent", *size, "-o", tmp_path / "result.jpg", "--json")
    )
    assert made["status"] == "completed"
    with Image.open(made["path"]) as picture:
        assert picture.size == (480, 640)
    jobs = json.loads(await closet(shop, "jobs", "--json"))
    assert [job["id"] for job in jobs["jobs"]] == [made["jobId"]]
    assert json.loads(await closet(shop, "job", made["jobId"], "--json"))["status"] == "completed"
    await shop.shows(95)
    assert json.loads(await closet(shop, "balance", "--json"))["balance"] == 95
    ledger = json.loads(await closet_ops(shop, "ledger", shop.tenant.account, "--json"))
    assert {line["kind"] for line in ledger["lines"]} == {"grant", "hold", "capture"}
    assert json.loads(await closet_ops(shop, "dlq", "ls", "--json")) == {"dead_letters": []}
