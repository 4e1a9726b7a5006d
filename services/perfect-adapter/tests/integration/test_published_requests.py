"""What really goes to the vendor, for every feature and option, is what the vendor's published documents allow."""

import io
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from closet_chassis.postgres import Pool
from closet_contracts.job import InputAsset
from closet_contracts.work import (
    Category,
    Concern,
    Edit,
    Hairstyle,
    Role,
    Size,
    SkinAnalysis,
    Style,
    Task,
    TextToImage,
    TryOn,
)
from closet_devstack.samples import person_picture
from closet_devstack.testing import eventually
from perfect_adapter.vendor.classic import ClassicProfile
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.downloads import AllowedHosts, ResultDownloader
from perfect_adapter.vendor.features import FEATURES
from perfect_adapter.vendor.keys import ApiKey
from perfect_adapter.vendor.transport import Transport
from perfect_adapter.vendor.uploads import InputUploader
from PIL import Image
from vendor_documents import PICTURES, names_of_pictures, operation_of, picture_problems, problems
from vendor_recorder import Recorder, Sent, recording

Pictures = dict[Role, bytes]
ALL = tuple(Concern)
SIZES = [
    Size(width=w, height=h) for w, h in ((64, 64), (64, 4096), (4096, 64), (4096, 4096), (1033, 1032), (1080, 1920))
]


def picture(width: int, height: int, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    person_picture(width, height).save(out, kind)
    return out.getvalue()


def mask(width: int, height: int) -> bytes:
    drawn, out = Image.new("L", (width, height), 0), io.BytesIO()
    drawn.paste(255, (0, 0, width // 2, height))
    drawn.save(out, "PNG")
    return out.getvalue()


SMALL, LARGE, PNG = picture(384, 512), picture(4096, 3072), picture(900, 1200, "PNG")
FACE, HD_FACE = picture(480, 640), picture(1080, 1440)
ON_PERSON = {Role.PERSON: SMALL, Role.GARMENT: PNG}
Orders = list[tuple[Task, Pictures]]

TRY_ONS: Orders = [(TryOn(category=category), ON_PERSON) for category in Category]
LARGE_TRY_ON: Orders = [(TryOn(size=SIZES[-1]), {Role.PERSON: LARGE, Role.GARMENT: LARGE})]
TEXTS: Orders = [
    *((TextToImage(prompt="a coat", style=style), {}) for style in Style),
    *((TextToImage(prompt="a coat", size=size), {}) for size in SIZES),
    (TextToImage(prompt="外" * 800, negative_prompt="n" * 500), {}),
    (TextToImage(prompt="p" * 780, style=Style.FASHION), {}),
]
EDITS: Orders = [
    *((Edit(prompt="red", size=size), {Role.IMAGE: SMALL}) for size in SIZES),
    (Edit(prompt="p" * 800, negative_prompt="n" * 500), {Role.IMAGE: LARGE}),
    (Edit(prompt="red"), {Role.IMAGE: PNG}),
]
MASKED: Orders = [
    (Edit(prompt="a wall"), {Role.IMAGE: SMALL, Role.MASK: mask(384, 512)}),
    (Edit(prompt="p" * 800, negative_prompt="n", size=SIZES[0]), {Role.IMAGE: LARGE, Role.MASK: mask(1024, 768)}),
]
HAIR: Orders = [
    (Hairstyle(), {Role.IMAGE: SMALL, Role.REFERENCE: PNG}),
    (Hairstyle(), {Role.IMAGE: LARGE, Role.REFERENCE: SMALL}),
]
SKIN: Orders = [
    *((SkinAnalysis(actions=(concern,)), {Role.IMAGE: FACE}) for concern in ALL[:2]),
    (SkinAnalysis(actions=ALL), {Role.IMAGE: FACE}),
    (SkinAnalysis(actions=ALL, hd=True), {Role.IMAGE: HD_FACE}),
]


@pytest.fixture
async def recorder(perfect_server: Any) -> AsyncIterator[Recorder]:
    async with recording(perfect_server.url) as recorder:
        yield recorder


class Shop:
    """Has orders made by the service that speaks to the recorder."""

    def __init__(self, world: Any, pool: Pool, recorder: Recorder) -> None:
        self._world, self._pool, self.recorder = world, pool, recorder
        self._assets: dict[tuple[Role, bytes], InputAsset] = {}

    async def make(self, orders: Orders) -> None:
        """All of them, to their ends."""
        for work, pictures in orders:
            await self._world.job(work=work, inputs=[await self._asset(*each) for each in pictures.items()])
        ended = "SELECT count(*) = $1 FROM renders WHERE state NOT IN ('waiting', 'submitting', 'doubtful', 'running')"
        await eventually(lambda: self._pool.fetchval(ended, len(orders)), timeout=90, every=0.2)

    async def succeeded(self) -> bool:
        return bool(await self._pool.fetchval("SELECT bool_and(state = 'done') FROM renders"))

    async def _asset(self, role: Role, data: bytes) -> InputAsset:
        if (role, data) not in self._assets:
            self._assets[role, data] = await self._world.asset(role, data)
        return self._assets[role, data]

    async def picture(self, kind: str, name: str) -> bytes:
        """As the vendor gets it."""
        if kind == "id":
            return self.recorder.uploaded(name).raw
        async with self._world.session.get(name) as response:
            assert response.status == 200
            return bytes(await response.read())


@pytest.fixture
async def shop(world: Any, pool: Pool, recorder: Recorder) -> Shop:
    await world.vendor.change(fixed_result=True, latency_ms=0)
    return Shop(world, pool, recorder)


def called(sent: list[Sent]) -> list[Sent]:
    """The calls of its API; the others bring inputs and take results."""
    return [one for one in sent if one.path.startswith("/s2s/")]


def misspelt(sent: Sent) -> Iterator[Sent]:
    """The same with another name for one of its parameters."""
    yield from (replace(sent, query=other) for other in _renamed(sent.query))
    yield from (replace(sent, raw=json.dumps(other).encode()) for other in (_renamed(sent.body) if sent.raw else ()))


def _renamed(members: Any) -> Iterator[dict[str, Any]]:
    for name in members:
        yield {f"{name}_" if each == name else each: value for each, value in members.items()}


async def check(shop: Shop, *names: str) -> None:
    """All that was sent is allowed, its pictures too, and a changed name of any parameter would not have been."""
    sent = called(shop.recorder.sent)
    assert {problem for one in sent for problem in problems(one)} == set()
    orders = [one for one in sent if one.method == "POST" and "/task/" in one.path and "/delete" not in one.path]
    assert {operation_of(one) for one in orders} == {f"POST /s2s/{name}" for name in names}
    for order in orders:
        named = {role: await shop.picture(kind, name) for role, kind, name in names_of_pictures(order.body)}
        assert picture_problems(f"POST {order.path}", order.body, named) == []
    assert await shop.succeeded()
    for one in sent:
        assert all(problems(wrong) for wrong in misspelt(one)), one.path
    for one in shop.recorder.sent:
        assert one.path.startswith("/s2s/") or "authorization" not in one.headers, "our key is for the API alone"


async def begin(start: Any, recorder: Recorder, **settings: Any) -> None:
    host = recorder.url.removeprefix("http://")
    await start(PERFECT_BASE=recorder.url, PERFECT_RESULT_HOSTS=host, **settings)


async def test_every_kind_of_work_with_every_option(shop: Shop, start: Any, world: Any) -> None:
    await begin(start, shop.recorder)
    await world.relist_templates()
    template = Hairstyle(template_id=await world.template())
    await shop.make([*TRY_ONS, *LARGE_TRY_ON, *TEXTS, *EDITS, *MASKED, *HAIR, (template, {Role.IMAGE: SMALL}), *SKIN])
    images = ("task/text-to-image/youcam", "task/image-to-image/youcam", "task/obj-replace")
    await check(
        shop, "v2.0/task/cloth-v4", *(f"v2.0/{name}" for name in images),
        "v2.1/task/hair-transfer", "v2.1/task/skin-analysis",
    )  # fmt: skip


async def test_the_older_engine_and_analyses_as_archives(shop: Shop, start: Any) -> None:
    await begin(start, shop.recorder, PERFECT_TRYON_VERSION="v3", PERFECT_SKIN_FORMAT="zip")
    await shop.make([*TRY_ONS, *SKIN[-2:]])
    await check(shop, "v2.0/task/cloth-v3", "v2.1/task/skin-analysis")


async def test_what_is_uploaded_and_deleted(shop: Shop, start: Any) -> None:
    await begin(start, shop.recorder, PERFECT_INPUTS="upload", PERFECT_DELETE_COPIES="*")
    await shop.make([TRY_ONS[0], EDITS[0], MASKED[0], HAIR[0], SKIN[-1]])
    sent = shop.recorder.sent
    await eventually(lambda: sum(one.path == "/s2s/v2.0/task/delete" for one in sent) == 5)
    await check(
        shop, "v2.0/task/cloth-v4", "v2.0/task/image-to-image/youcam", "v2.0/task/obj-replace",
        "v2.1/task/hair-transfer", "v2.1/task/skin-analysis",
    )  # fmt: skip
    asked = [file for one in sent if one.path == "/s2s/v2.0/file" for file in one.body["files"]]
    brought = [one for one in sent if one.method == "PUT"]
    assert sorted((each["content_type"], str(each["file_size"])) for each in asked) == sorted(
        (one.headers["content-type"], one.headers["content-length"]) for one in brought
    )
    assert all(len(one.raw) == int(one.headers["content-length"]) for one in brought)


async def test_what_is_asked_of_the_account(recorder: Recorder, perfect_server: Any) -> None:
    async with aiohttp.ClientSession() as session:
        caller, hosts = Transport(session, recorder.url, 10), AllowedHosts(frozenset(), insecure=True)
        vendor = VendorClient(
            caller, ClassicProfile(caller), ResultDownloader(session, hosts), InputUploader(session, hosts)
        )
        key = ApiKey(perfect_server.api_key)
        await vendor.balance(key)
        for page in (None, "a/page+token="):
            await vendor.history(key, page)
            await vendor.templates(key, "hairstyle", page)
        await vendor.delete(key, "a-task")
    assert len(recorder.sent) == 6
    assert {problem for one in recorder.sent for problem in problems(one)} == set()
    assert all(problems(wrong) for one in recorder.sent for wrong in misspelt(one))


def test_every_feature_is_described() -> None:
    assert {f"POST {feature.path}" for feature in FEATURES.values() if not feature.is_classic} == set(
        PICTURES["features"]
    )
