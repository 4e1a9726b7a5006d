"""`python -m closet_storage`, as an operator or the compose file calls it."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from closet_contracts.ids import new_id
from closet_devstack.environment import inherited
from closet_devstack.ports import free_port
from closet_storage import admin
from closet_storage.access import Access


def env_of(access: Access) -> dict[str, str]:
    return {
        "S3_ENDPOINT": access.endpoint,
        "S3_BUCKET": access.bucket,
        "S3_ACCESS_KEY_ID": access.access_key,
        "S3_SECRET_ACCESS_KEY": access.secret_key,
    }


async def ensure_bucket(env: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "closet_storage", "ensure-bucket", *options]
    whole = {**inherited(), **env}
    return await asyncio.to_thread(
        subprocess.run, command, env=whole, capture_output=True, text=True, check=False, timeout=60
    )


async def test_it_makes_the_bucket_with_its_rule_and_does_so_once(s3: Access) -> None:
    access = replace(s3, bucket=f"made-{new_id('x')[2:]}")
    for _ in range(2):
        done = await ensure_bucket(env_of(access))
        assert (done.returncode, done.stdout, done.stderr) == (0, f"bucket {access.bucket} is there\n", "")
    async with admin._client(access) as client:
        (rule,) = (await client.get_bucket_lifecycle_configuration(Bucket=access.bucket))["Rules"]
    assert (rule["ID"], rule["Expiration"]["Days"]) == ("closet-uploads", 1)


def starting() -> web.Application:
    """Storage that answers with an error of its own twice, then well."""
    answers = iter([503, 500])

    async def answer(request: web.Request) -> web.Response:
        if status := next(answers, None):
            return web.Response(status=status)
        if request.method == "GET":
            body = "<Error><Code>NoSuchLifecycleConfiguration</Code><Message>none</Message></Error>"
            return web.Response(status=404, text=body, content_type="application/xml")
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def test_it_waits_for_storage_that_is_still_starting() -> None:
    port = free_port()
    command = asyncio.create_task(ensure_bucket(env_of(Access(f"http://127.0.0.1:{port}", "", "b", "k", "s"))))
    asked = asyncio.Event()

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        asked.set()

    async with await asyncio.start_server(hang_up, "127.0.0.1", port):
        await asked.wait()
    async with TestServer(starting(), port=port):
        assert (await command).stdout == "bucket b is there\n"


async def test_storage_that_is_away_for_longer_is_told_in_a_sentence() -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    done = await ensure_bucket(env_of(Access(endpoint, "", "b", "k", "s")), "--wait-s", "0.2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{endpoint} could not be used within 0.2 s: ")
    assert "Traceback" not in done.stderr


async def test_a_wrong_key_is_not_waited_for(s3: Access) -> None:
    done = await ensure_bucket(env_of(replace(s3, secret_key="wrong")), "--wait-s", "50")
    assert done.returncode == 1
    assert f"{s3.endpoint} refused: " in done.stderr
    assert "SignatureDoesNotMatch" in done.stderr


@pytest.mark.parametrize(
    ("change", "told"),
    [({"S3_ENDPOINT": ""}, "S3_ENDPOINT: Field required"), ({"S3_ENDPOINT": "s3:8333"}, "S3_ENDPOINT: Invalid end")],
)
async def test_wrong_settings_are_named(s3: Access, change: Mapping[str, str], told: str) -> None:
    done = await ensure_bucket({**env_of(s3), **change})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(told)
