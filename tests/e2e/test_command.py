"""The `closet` command, as its user has it."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from closet_devstack import samples
from closet_devstack.shop import Shop
from PIL import Image

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLOSET = Path(sys.executable).parent / "closet"


async def closet(shop: Shop, *arguments: str | Path) -> str:
    """What the command prints; it has to succeed."""
    environment = {
        "PATH": os.defpath,
        "CLOSET_URL": shop.stack.url("kiosk-gateway"),
        "CLOSET_API_KEY": shop.tenant.api_key,
        "CLOSET_USER": "shopper-1",
        "CLOSET_NATS_URL": shop.stack.nats.url(),
    }
    process = await asyncio.create_subprocess_exec(
        CLOSET, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
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
    ledger = json.loads(await closet(shop, "ledger", shop.tenant.account, "--json"))
    assert {line["kind"] for line in ledger["lines"]} == {"grant", "hold", "capture"}
    assert json.loads(await closet(shop, "dlq", "ls", "--json")) == {"letters": []}
