"""The program: its operator's verb, its start and its stop."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from closet_devstack.testing import eventually
from kiosk_gateway.admin import main

ENV = {name: value for name, value in os.environ.items() if not name.startswith(("CLOSET_", "OTEL_"))}


async def test_a_tenant_is_created_once_with_one_key(
    pool: Any,
    database_url: str,
    owner_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("CLOSET_DATABASE_URL", database_url)
    monkeypatch.setenv("CLOSET_MIGRATIONS_URL", owner_url)

    async def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = await asyncio.to_thread(main, ["create-tenant", *arguments])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    code, made = await run("ACME Fashion")
    assert code == 0
    assert made["tenantId"].startswith("acme-fashion-")
    assert made["apiKey"].startswith(made["prefix"])
    key_file = tmp_path / "key"
    key_file.write_text("k" * 40 + "\n")
    named = ("Shop", "--tenant-id", "shop", "--api-key-file", str(key_file))
    assert await run(*named) == await run(*named)
    assert (await run("Thief", "--tenant-id", "thief", "--api-key-file", str(key_file)))[0] == 1
    rows = await pool.fetch("SELECT name, prefix FROM tenants JOIN api_keys USING (tenant_id) ORDER BY tenant_id")
    assert [tuple(row) for row in rows] == [("ACME Fashion", made["prefix"]), ("Shop", "k" * 12)]
    assert await pool.fetchval("SELECT count(*) FROM tenants") == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--api-key-file", "/dev/null"],
        ["--api-key-file", "/none"],
        ["--api-key", "k" * 40],
        ["--tenant-id", "Not An Id"],
        ["--nonsense"],
    ],
)
def test_a_tenant_that_makes_no_sense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["create-tenant", "Name", *arguments])
    assert ended.value.code == 2


def test_without_settings_the_operator_is_told_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CLOSET_DATABASE_URL", raising=False)
    assert main(["create-tenant", "Name"]) == 2
    assert "CLOSET_DATABASE_URL" in capsys.readouterr().err


async def test_the_process_starts_waits_for_prices_and_stops_in_order(
    replica: Any, database_url: str, owner_url: str, nats_url: Callable[[str], str], tmp_path: Path
) -> None:
    await replica()  # has learned the prices
    env = {
        "CLOSET_DATABASE_URL": database_url,
        "CLOSET_MIGRATIONS_URL": owner_url,
        "CLOSET_NATS_URL": nats_url("kiosk-gateway"),
        "CLOSET_TOKEN_KEY_FILE": str(tmp_path / "token-key.pem"),
        "CLOSET_HTTP_PORT": "0",
        "CLOSET_ADMIN_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kiosk_gateway", env={**ENV, **env}, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    port = 0
    while not port:
        line = json.loads(await process.stderr.readline())
        port = line["port"] if line["event"] == "started" else 0
    async with aiohttp.ClientSession() as session:

        async def ready() -> bool:
            async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                return response.status == 200

        await eventually(ready)
    process.terminate()
    rest = await process.stderr.read()
    assert await process.wait() == 0, rest
