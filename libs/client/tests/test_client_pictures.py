"""Pictures to and from storage over connections that break."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from closet_client import NotAPicture, TransferFailed

from .fake_closet import FakeCloset
from .faults import Fault, hangs_up, refuses

PNG = b"\x89PNG\r\n\x1a\n" + bytes(1000)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_the_bytes_go_up_with_exactly_the_bound_headers_and_the_progress_is_told(
    closet: FakeCloset, tmp_path: Path
) -> None:
    photo = tmp_path / "Jane Doe on the beach.png"
    photo.write_bytes(PNG)
    told: list[tuple[int, int]] = []
    async with closet.client() as client:
        ticket = await client.upload(photo, on_progress=lambda done, total: told.append((done, total)))
    assert closet.stored == {ticket.key: PNG}
    assert told[0] == (0, len(PNG))
    assert told[-1] == (len(PNG), len(PNG))
    assert closet.asked == [{"filename": "picture.png", "contentType": "image/png", "size": len(PNG)}]


@pytest.mark.parametrize("fault", [hangs_up, refuses(403)])
async def test_a_broken_or_refused_put_starts_again_with_a_fresh_url_of_the_same_upload(
    closet: FakeCloset, fault: Fault
) -> None:
    closet.fail("PUT /storage/{key}", fault)
    urls: list[str] = []
    async with closet.client() as client:
        ticket = await client.upload(
            closet.picture, on_progress=lambda done, _: urls.append("start") if not done else None
        )
    assert urls == ["start", "start"]
    assert closet.count("POST /gen/upload-url") == 2
    assert closet.stored == {ticket.key: closet.picture}


async def test_uploads_are_given_up_after_a_few_tries_without_naming_the_url(closet: FakeCloset) -> None:
    closet.fail("PUT /storage/{key}", *[refuses(403)] * 5)
    async with closet.client() as client:
        with pytest.raises(TransferFailed) as failed:
            await client.upload(closet.picture)
    assert failed.value.status == 403
    assert "signature" not in f"{failed.value!r}{failed.value.__cause__!r}"
    assert closet.count("PUT /storage/{key}") == 3


async def test_what_is_no_picture_stays_here_unless_the_caller_insists(closet: FakeCloset, tmp_path: Path) -> None:
    text = tmp_path / "photo.jpg"
    text.write_bytes(b"not a picture")
    async with closet.client() as client:
        with pytest.raises(NotAPicture):
            await client.upload(text)
        assert not closet.calls
        ticket = await client.upload(text, content_type="image/jpeg")
    assert closet.stored == {ticket.key: b"not a picture"}


async def test_a_download_survives_a_break_and_is_named_by_what_it_holds(closet: FakeCloset, tmp_path: Path) -> None:
    async def breaks(request: web.Request, _handler: Any) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": str(len(closet.picture))})
        await answer.prepare(request)
        await answer.write(closet.picture[:1000])
        assert request.transport is not None
        request.transport.abort()
        return answer

    closet.fail("GET /storage/{key}", breaks, refuses(503))
    async with closet.client() as client:
        saved = await client.download(f"{closet.urls[0]}/storage/result?signature=secret", tmp_path / "result")
    assert (saved.path, saved.content_type, saved.size) == (tmp_path / "result.jpg", "image/jpeg", len(closet.picture))
    assert files(tmp_path) == {"result.jpg": closet.picture}


async def test_a_failed_download_leaves_the_old_file_alone(closet: FakeCloset, tmp_path: Path) -> None:
    old = tmp_path / "result.png"
    old.write_bytes(b"old")
    closet.fail("GET /storage/{key}", refuses(403))
    async with closet.client() as client:
        with pytest.raises(TransferFailed) as failed:
            await client.download(f"{closet.urls[0]}/storage/result?signature=secret", old)
    assert failed.value.status == 403
    assert "signature" not in f"{failed.value!r}{failed.value.__cause__!r}"
    assert files(tmp_path) == {"result.png": b"old"}
