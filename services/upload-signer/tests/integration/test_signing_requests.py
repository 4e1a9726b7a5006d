"""What the gateway may have signed, and that the storage holds clients to it."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from closet_contracts.ids import new_id
from closet_contracts.rpc import SignGet
from closet_devstack.samples import person_jpeg
from closet_messaging import rpc
from closet_messaging.rpc import RpcFailed


async def test_a_url_takes_what_it_was_signed_for_and_nothing_else(start: Any, world: Any) -> None:
    await start()
    picture = person_jpeg()
    digest = hashlib.sha256(picture).hexdigest()
    signed = await world.sign_put(new_id("upl"), size=len(picture), sha256=digest)
    assert signed.expires_in == 600
    assert signed.key.startswith(f"tenant/{world.tenant}/uploads/upl_")
    assert await world.put(signed, picture) == 200
    assert await world.put(signed, picture + b"more") == 403
    wrong_type = signed.model_copy(update={"headers": {**signed.headers, "Content-Type": "text/html"}})
    assert await world.put(wrong_type, picture) == 403
    unencrypted = {name: value for name, value in signed.headers.items() if "encryption" not in name}
    assert await world.put(signed.model_copy(update={"headers": unencrypted}), picture) == 403
    elsewhere = signed.model_copy(update={"url": signed.url.replace("upl_", "upl_f")})
    assert await world.put(elsewhere, picture) == 403


async def test_no_url_takes_more_than_was_named(start: Any, world: Any) -> None:
    await start()
    signed = await world.sign_put(new_id("upl"), size=1000)
    for data in (bytes(11 * 1024 * 1024), bytes(1001), bytes(999), b""):
        assert await world.put(signed, data) == 403
    assert await world.objects.head(signed.key) is None
    assert await world.put(signed, bytes(1000)) == 200


async def test_no_url_takes_a_stream_of_unknown_length(start: Any, world: Any) -> None:
    await start()
    signed = await world.sign_put(new_id("upl"), size=1000)
    headers = {name: value for name, value in signed.headers.items() if name != "Content-Length"}

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield bytes(1024 * 1024)

    async with world.session.put(signed.url, data=endless(), headers=headers) as response:
        assert response.status in {403, 411}
    assert await world.objects.head(signed.key) is None


@pytest.mark.parametrize("named", ["image/jpg", "IMAGE/JPEG", "image/jpeg; charset=binary", "image/pjpeg"])
async def test_the_client_s_own_media_type_is_bound(start: Any, world: Any, named: str) -> None:
    await start()
    signed = await world.sign_put(new_id("upl"), named, size=4)
    assert signed.headers["Content-Type"] == named
    other = signed.model_copy(update={"headers": {**signed.headers, "Content-Type": "image/png"}})
    assert await world.put(other, b"data") == 403
    assert await world.put(signed, b"data") == 200


@pytest.mark.parametrize(
    ("details", "code"),
    [
        ({"content_type": "image/gif"}, "unsupported_content_type"),
        ({"content_type": "image/heic"}, "unsupported_content_type"),
        ({"content_type": "image/jpeg", "size": None}, "size_required"),
        ({"content_type": "image/jpeg", "size": 10 * 1024 * 1024 + 1}, "upload_too_large"),
        ({"content_type": "image/jpeg", "sha256": "nonsense"}, "invalid_sha256"),
    ],
)
async def test_what_cannot_be_uploaded_is_not_signed(start: Any, world: Any, details: Any, code: str) -> None:
    await start()
    with pytest.raises(RpcFailed) as refused:
        await world.sign_put(new_id("upl"), **details)
    assert refused.value.code == code


async def test_results_are_signed_for_their_tenant(start: Any, world: Any) -> None:
    await start()
    key = f"tenant/{world.tenant}/results/{new_id('job')}/result_0.png"
    await world.objects.put(key, b"a result", "image/png")
    signed = await rpc.ask(world.gateway, SignGet(tenant_id=world.tenant, keys=(key,)))
    async with world.session.get(signed.urls[0]) as response:
        assert (response.status, await response.read()) == (200, b"a result")
        assert response.headers["Cache-Control"] == "private, max-age=3600"
    async with world.session.get(signed.urls[0].replace("result_0", "result_1")) as response:
        assert response.status == 403


@pytest.mark.parametrize(
    "key",
    [
        "tenant/somebody-else/results/job_1/result_0.png",
        "tenant/{t}/uploads/upl_0",
        "tenant/{t}/inputs/upl_0.jpg",
        "tenant/{t}/results/../inputs/upl_0.jpg",
        "tenant/{t}-2/results/job_1/result_0.png",
        "results/job_1/result_0.png",
        "",
    ],
)
async def test_nothing_but_the_tenants_results_is_signed_for_reading(start: Any, world: Any, key: str) -> None:
    await start()
    good = f"tenant/{world.tenant}/results/job_1/result_0.png"
    request = SignGet(tenant_id=world.tenant, keys=(good, key.format(t=world.tenant)))
    with pytest.raises(RpcFailed) as refused:
        await rpc.ask(world.gateway, request)
    assert refused.value.code == "not_found"
