"""Results behind URLs: gone, late, elsewhere, too large, half."""

import time

import aiohttp
import pytest
from closet_devstack.sandbox.perfect.faults import Kind
from closet_devstack.sandbox.perfect.remote import Remote

from .customer import SKIN, TRYON, World


async def result(world: World, **headers: str) -> str:
    """The URL of one."""
    url = (await world.made(TRYON, world.order(), **headers))["url"]
    return str(url)


@pytest.mark.parametrize(("kind", "status"), [("result_gone", 404), ("result_expired", 403)])
async def test_a_result_may_be_refused_once(world: World, sandbox: Remote, kind: Kind, status: int) -> None:
    url = await result(world)
    await sandbox.fault(kind)
    assert [(await world.get(url)).status for _ in range(2)] == [status, 200]


async def test_a_result_may_be_elsewhere(world: World, sandbox: Remote) -> None:
    url = await result(world)
    await sandbox.fault("result_redirect", count=-1)
    first = await world.get(url, redirects=False)
    assert (first.status, first.headers["Location"] != url) == (302, True)
    assert (await world.get(url)).image.size == (960, 1280)


async def test_a_result_may_be_too_large(world: World, sandbox: Remote) -> None:
    url = await result(world)
    await sandbox.fault("result_oversized", bytes=20 << 20)
    got = await world.get(url)
    assert len(got.body) > 20 << 20
    assert got.image.size == (960, 1280)  # what follows the picture is not looked at by everybody


async def test_a_result_may_trickle(world: World, sandbox: Remote) -> None:
    url = await result(world)
    await sandbox.fault("result_slow", ms=400)
    began = time.monotonic()
    assert (await world.get(url)).image.size == (960, 1280)
    assert time.monotonic() - began > 0.35


async def test_a_result_may_break_off(world: World, sandbox: Remote) -> None:
    url = await result(world)
    await sandbox.fault("result_cut")
    with pytest.raises(aiohttp.ClientPayloadError):
        await world.get(url)
    assert (await sandbox.stats())["resultsDownloaded"] == 0


async def test_a_result_may_lie_about_its_kind_or_be_none(world: World, sandbox: Remote) -> None:
    url = await result(world)
    await sandbox.fault("result_wrong_type")
    got = await world.get(url)
    assert (got.content_type, got.image.format) == ("text/html", "JPEG")
    await sandbox.fault("result_garbage")
    with pytest.raises(OSError, match="cannot identify"):
        _ = (await world.get(url)).image


async def test_a_header_at_creation_is_for_the_tasks_own_result(world: World) -> None:
    steered = await result(world, X_Sandbox_Fault="result_gone")
    other = await result(world)
    assert (await world.get(other)).status == 200
    assert [(await world.get(steered)).status for _ in range(2)] == [404, 200]


async def test_a_header_at_the_download_is_for_it(world: World) -> None:
    url = await result(world)
    assert (await world.get(url, X_Sandbox_Fault="result_gone")).status == 404
    assert (await world.get(url)).status == 200
    assert (await world.get(url, X_Sandbox_Fault="tea")).status == 400


async def test_a_url_is_good_only_as_it_was_signed(world: World) -> None:
    url = await result(world)
    assert (await world.get(url.replace("_0.jpg", "_1.jpg"))).status == 404
    assert (await world.get(url.replace("Expires=", "Expires=9"))).status == 403
    assert (await world.get(url.partition("?")[0])).status == 403


async def test_distinct_results_that_were_taken_whole_are_counted(world: World, sandbox: Remote) -> None:
    body = {"src_file_url": world.at("face"), "dst_actions": ["acne", "pore"], "format": "json"}
    masks = [each["mask_urls"][0] for each in (await world.made(SKIN, body))["output"][:2]]
    for url in (await result(world), *masks, *masks):
        assert (await world.get(url)).status == 200
    assert (await sandbox.stats())["resultsDownloaded"] == 3
