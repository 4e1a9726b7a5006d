"""Every command of every README, word for word as far as its reader has nothing to fill in."""

import ast
import asyncio
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from closet_client import ApiKey, ClosetClient
from closet_contracts.ownership import Service
from closet_devstack.ports import free_port
from closet_devstack.running import write_environment
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.stack import Stack
from closet_devstack.tenants import Tenant
from closet_devstack.testing import eventually

from tests.chaos.operator import operator_of
from tests.readmes.blocks import ROOT, Block, blocks_of, documents
from tests.readmes.conftest import Terminal
from tests.readmes.table import DRAWINGS, FRAGMENTS, RUN, SANDBOX

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

BLOCKS = {(block.file, block.number): block for file in documents() for block in blocks_of(file)}
CLIENT = "libs/client/README.md"
SHOPPER = "shopper-17"


def block(file: str, number: int) -> Block:
    return BLOCKS[file, number]


async def test_every_block_is_run_or_says_why_not() -> None:
    assert set(BLOCKS) == {*RUN, *FRAGMENTS, *DRAWINGS}
    assert all(BLOCKS[place].language in {"", "mermaid"} for place in DRAWINGS)
    assert not {*RUN} & {*FRAGMENTS, *DRAWINGS}


@pytest.mark.parametrize("test", sorted(set(RUN.values())))
async def test_the_table_names_tests_that_are_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("place", FRAGMENTS, ids=str)
async def test_a_fragment_is_python(place: tuple[str, int]) -> None:
    text = "async def somewhere():\n" + "".join(f"    {line}\n" for line in BLOCKS[place].text.splitlines())
    ast.parse(text)


async def test_every_target_of_make_is_there() -> None:
    code = "\n".join(block.text for block in BLOCKS.values() if block.language == "sh")
    inline = "\n".join(re.findall(r"`([^`\n]+)`", "\n".join((ROOT / file).read_text() for file in documents())))
    targets = sorted(set(re.findall(r"^(?:\w+=\S+ )*make ([a-z-]+)", f"{code}\n{inline}", re.MULTILINE)))
    assert {"demo", "test", "run", "help", "check", "bench"} <= set(targets)
    tried = await asyncio.to_thread(
        subprocess.run, ["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stderr


async def test_the_first_steps_beside_make_run(own_stack: Stack, demo: Tenant, terminal: Terminal) -> None:
    (terminal.folder / ".venv").symlink_to(ROOT / ".venv")
    (terminal.folder / "Makefile").symlink_to(ROOT / "Makefile")
    settings = terminal.folder / "build/run"
    settings.mkdir(parents=True)
    write_environment(own_stack, demo, settings)
    told = await terminal.run(block("README.md", 3).filled())
    assert "completed" in told
    assert (terminal.folder / "result.jpg").exists()


async def test_an_event_comes_back_as_it_went(terminal: Terminal) -> None:
    (terminal.folder / "event.py").write_text(block("contracts/README.md", 0).filled())
    await terminal.run("python event.py")


async def test_the_sdk_makes_a_picture(own_stack: Stack, demo: Tenant, terminal: Terminal) -> None:
    url = own_stack.url("kiosk-gateway")
    words = {"https://a.example": url, "https://b.example": url, "clk_...": demo.api_key}
    (terminal.folder / "sdk.py").write_text(block(CLIENT, 0).filled(words))
    told = (await terminal.run("python sdk.py")).splitlines()
    assert told[0] == "5"
    assert told[-1].endswith("closet.job.completed.v1")
    assert (terminal.folder / "result.jpg").exists()


async def test_every_command_of_a_shop(own_stack: Stack, demo: Tenant, terminal: Terminal) -> None:
    url = own_stack.url("kiosk-gateway")
    async with ClosetClient(url, ApiKey(demo.api_key, SHOPPER)) as closet:
        job = await closet.text_to_image("a red dress")
        template = (await closet.templates("hairstyle")).templates[0].template_id
    words = {
        "http://127.0.0.1:8080": url,
        "clk_...": demo.api_key,
        "--template ...": f"--template {template}",
        "job_...": job.job_id,
    }
    told = await terminal.run(block(CLIENT, 1).filled(words))
    made = {path.name for path in terminal.folder.iterdir()}
    assert {"result.jpg", "dress-0.jpg", "dress-1.jpg", "skin-scores.json"} <= made, told


async def test_every_command_of_an_operator(own_stack: Stack, demo: Tenant, terminal: Terminal) -> None:
    async with operator_of(own_stack) as operator:
        for number in range(5):  # which three services read: fifteen letters
            await operator.publish("closet.job.accepted.v1", f"no event {number}".encode())

        async def letters() -> bool:
            return len(await operator.letters()) == 15

        await eventually(letters)
        script = block("libs/operator/README.md", 0).filled(
            {"nats://operator:...@127.0.0.1:4222": own_stack.nats.url()}
        )
        told = await terminal.run(script)
        assert {"✓ 12", "✓ 13", "✓ 14"} <= set(re.findall(r"✓ \d+", told))
        assert "<html" in (terminal.folder / "january.html").read_text()
        assert demo.account in told
        assert 'user: "billing-meter"' in told


async def test_the_operators_commands_with_a_services_database(own_stack: Stack, terminal: Terminal) -> None:
    for service in (Service.KIOSK_GATEWAY, Service.BILLING_METER):
        url = own_stack.env_for(service)["CLOSET_DATABASE_URL"]
        words = {"postgresql://billing_meter:...@127.0.0.1:5432/billing_meter": url}
        told = await terminal.run(block("libs/operator/README.md", 1).filled(words))
        assert re.search(r"^[1-9]\d* events will be published again$", told, re.MULTILINE)


async def test_what_an_operator_does_to_storage(own_stack: Stack, terminal: Terminal) -> None:
    told = await terminal.run(block("libs/storage/README.md", 0).filled(), own_stack.s3.env("admin"))
    assert told == "bucket closet-media is there\n"


async def test_the_sandbox_by_hand(terminal: Terminal) -> None:
    port = str(free_port())
    (terminal.folder / "scenario.yaml").write_text(block(SANDBOX, 3).filled())
    command, *options = shlex.split(block(SANDBOX, 0).filled({"8701": port}), comments=True)
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name(command), *options, "--scenario", "scenario.yaml",
        cwd=terminal.folder, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        printed = {}
        while "PERFECT_WEBHOOK_SECRET" not in printed:
            name, _, value = (await process.stdout.readline()).decode().strip().removeprefix("export ").partition("=")
            printed[name] = value
        words = {f"{name}=...": f"{name}={printed[name]}" for name in ("PERFECT_BASE", "PERFECT_API_KEY")}
        told = await terminal.run(block(SANDBOX, 1).filled(words))
        assert '"status":200' in told
        assert '"status":500' in told
        fault = json.loads(block(SANDBOX, 2).text)
        await terminal.run(f"curl -sf {printed['PERFECT_BASE']}/_sandbox/faults -d '{json.dumps(fault)}'")
        remote = Remote(printed["PERFECT_BASE"])
        assert (await remote.stats())["tasksCreated"] == 1
    finally:
        process.terminate()
        await process.wait()
