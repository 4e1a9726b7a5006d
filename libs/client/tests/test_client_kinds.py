"""Every kind of work by the SDK and by the command: what is sent, what is saved, what is shown."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from closet_client import Concern, Size, Style, items
from closet_client.cli import app
from typer.testing import CliRunner

from .command import Ran, closet_command
from .fake_closet import API_KEY, JPEG, FakeCloset

Closet = Callable[..., Awaitable[Ran]]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
SCORES = {
    "skinAge": 31,
    "scores": [
        {"concern": "pore", "region": "nose", "score": 81.0, "rawScore": 0.4, "mask": "result_1.png"},
        {"concern": "acne", "region": None, "score": 90.5, "rawScore": 0.1, "mask": None},
    ],
}


@pytest.fixture
def run(closet: FakeCloset) -> Closet:
    async def run(*arguments: str | Path) -> Ran:
        ours = {"CLOSET_URL": ",".join(closet.urls), "CLOSET_API_KEY": API_KEY, "CLOSET_USER": "u-1"}
        return await closet_command(*map(str, arguments), **ours)

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "me.jpg").write_bytes(JPEG)
    return tmp_path / "me.jpg"


async def test_each_method_sends_what_its_route_takes(closet: FakeCloset) -> None:
    size = Size(width=512, height=768)
    async with closet.client() as client:
        await client.text_to_image("a dress", style=Style.STUDIO, size=size, variants=2)
        await client.edit("k/i", "a bow", mask="k/m", negative_prompt="text", size=size, consent=True)
        await client.hairstyle("k/i", reference="k/r", quote_id="quo_1")
        await client.hairstyle("k/i", template="t")
        await client.analyse_skin("k/i", [Concern.PORE, Concern.ACNE], hd=True, consent=False)
        await client.batch([items.try_on("k/p", "k/g"), items.text_to_image("a dress")])
    pixels = {"width": 512, "height": 768}
    assert closet.asked == [
        {"type": "text2img", "prompt": "a dress", "style": "studio", **pixels, "variants": 2},
        {
            "type": "edit",
            "imageKey": "k/i",
            "maskKey": "k/m",
            "prompt": "a bow",
            "negativePrompt": "text",
            "size": pixels,
            "consent": True,
        },
        {"type": "hairstyle", "imageKey": "k/i", "referenceKey": "k/r", "quoteId": "quo_1"},
        {"type": "hairstyle", "imageKey": "k/i", "templateId": "t"},
        {"type": "skin-analysis", "imageKey": "k/i", "actions": ["pore", "acne"], "hd": True, "consent": False},
        {
            "type": "batch",
            "items": [
                {"type": "tryon", "personKey": "k/p", "itemKey": "k/g", "category": "top"},
                {"type": "text2img", "prompt": "a dress", "variants": 1},
            ],
        },
    ]


async def test_an_estimate_sends_the_terms_alone(closet: FakeCloset) -> None:
    size = Size(width=512, height=768)
    async with closet.client() as client:
        await client.estimate(size=size)
        await client.estimate(items.text_to_image("a secret", size=size, variants=3))
        await client.estimate(items.batch([items.edit("k/i", "a secret"), items.hairstyle("k/i", template="t")]))
    pixels = {"width": 512, "height": 768}
    assert closet.estimated == [
        {"type": "tryon", "size": pixels},
        {"type": "text2img", **pixels, "variants": 3},
        {"type": "batch", "items": [{"type": "edit"}, {"type": "hairstyle"}]},
    ]


async def test_pictures_from_words_ask_nobody_for_consent(run: Closet, closet: FakeCloset, tmp_path: Path) -> None:
    closet.more = [(None, "image/png", PNG)]
    ran = await run("text2img", "a red dress", "--variants", "2", "-o", tmp_path / "dress")
    assert ran.code == 0, ran.err
    assert closet.count("GET /consent") == 0
    assert closet.asked[-1]["quoteId"] == "q", "it costs what was shown"
    assert "consent" not in closet.asked[-1]
    assert (tmp_path / "dress-0.jpg").read_bytes() == JPEG
    assert (tmp_path / "dress-0-1.png").read_bytes() == PNG
    assert ran.out.splitlines()[0] == f"✓ {tmp_path}/dress-0.jpg  768x1024"


async def test_an_edit_brings_its_picture_and_its_mask(run: Closet, closet: FakeCloset, photo: Path) -> None:
    mask = photo.with_name("mask.png")
    mask.write_bytes(PNG)
    ran = await run("edit", photo, "a bow", "--mask", mask, "-o", photo.with_name("out"), "--consent")
    assert ran.code == 0, ran.err
    keys = {data: key for key, data in closet.stored.items()}
    assert (closet.asked[-1]["imageKey"], closet.asked[-1]["maskKey"]) == (keys[JPEG], keys[PNG])
    assert (photo.with_name("out.jpg")).read_bytes() == JPEG


async def test_hair_by_template_or_by_picture(run: Closet, closet: FakeCloset, photo: Path) -> None:
    ran = await run("hairstyle", photo, "--template", "hair-1", "-o", photo.with_name("out"), "--consent", "--json")
    assert (ran.json["status"], closet.asked[-1]["templateId"]) == ("completed", "hair-1")
    ran = await run("hairstyle", photo, "--reference", photo, "-o", photo.with_name("out"))
    assert ran.code == 0, ran.err
    assert "referenceKey" in closet.asked[-1]


async def test_an_analysis_saves_scores_and_masks_and_shows_a_table(
    run: Closet, closet: FakeCloset, photo: Path
) -> None:
    closet.more = [("scores", "application/json", json.dumps(SCORES).encode()), ("pore.nose", "image/png", PNG)]
    arguments = ("skin-analysis", photo, "--concern", "pore", "--concern", "acne", "-o", photo.with_name("skin"))
    ran = await run(*arguments, "--consent")
    assert ran.code == 0, ran.err
    assert closet.asked[-1]["actions"] == ["pore", "acne"]
    assert json.loads(photo.with_name("skin-scores.json").read_text()) == SCORES
    assert photo.with_name("skin-pore-nose.png").read_bytes() == PNG
    assert [line.split() for line in ran.out.splitlines()[-3:]] == [
        ["SCORE", "CONCERN", "REGION"],
        ["81", "pore", "nose"],
        ["90.5", "acne"],
    ]
    told = (await run(*arguments, "--json")).json
    assert told["scores"] == SCORES["scores"]
    assert len(told["paths"]) == 3


def batch_file(folder: Path, *wanted: dict[str, Any]) -> Path:
    file = folder / "batch.json"
    file.write_text(json.dumps({"items": wanted}))
    return file


async def test_a_batch_uploads_each_picture_once_and_tells_what_failed(
    run: Closet, closet: FakeCloset, photo: Path
) -> None:
    closet.failures = [{"item": 1, "code": "unsafe", "message": "Not this.", "tip": "Other words."}]
    (photo.parent / "shirt.png").write_bytes(PNG)
    try_on = {"type": "tryon", "personKey": "me.jpg", "itemKey": "shirt.png"}
    other = {"type": "edit", "imageKey": "me.jpg", "maskKey": "tenant/t/uploads/upl_9", "prompt": "me.jpg"}
    file = batch_file(photo.parent, try_on, other)
    ran = await run("batch", file, "-o", photo.with_name("out"), "--consent")
    assert ran.code == 0, ran.err
    keys = {data: key for key, data in closet.stored.items()}
    assert len(keys) == len(closet.stored) == 2
    assert closet.asked[-1]["items"] == [
        {"type": "tryon", "personKey": keys[JPEG], "itemKey": keys[PNG]},
        {**other, "imageKey": keys[JPEG]},
    ]
    assert closet.estimated[-1] == {"type": "batch", "items": [{"type": "tryon"}, {"type": "edit"}]}
    assert "item 1: Not this. (unsafe) Other words." in ran.err


async def test_a_batch_of_words_asks_nobody_for_consent(run: Closet, closet: FakeCloset, tmp_path: Path) -> None:
    ran = await run("batch", batch_file(tmp_path, {"type": "text2img", "prompt": "a"}), "-o", tmp_path / "out")
    assert (ran.code, closet.count("GET /consent")) == (0, 0)


async def test_templates_are_listed_and_paged(run: Closet) -> None:
    first = await run("templates", "hairstyle", "--limit", "3")
    assert [line.split() for line in first.out.splitlines()[1:]] == [
        [f"hair-{n}", "short", "Style", f"{n}"] for n in range(3)
    ]
    assert "closet templates hairstyle --cursor 3" in first.err
    rest = await run("templates", "hairstyle", "--limit", "3", "--cursor", "3", "--json")
    assert [each["templateId"] for each in rest.json["templates"]] == ["hair-3", "hair-4"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["hairstyle", "{me}"], "name one of"),
        (["hairstyle", "{me}", "--template", "t", "--reference", "{me}"], "name one of"),
        (["edit", "{me}", "a bow", "--mask", "{text}"], "is not a picture that can be used"),
        (["text2img", "a", "--width", "600"], "come together"),
        (["skin-analysis", "{me}", "--concern", "nose"], "nose"),
        (["batch", "{text}"], "is not JSON"),
        (["batch", "{empty}"], "holds no list of items"),
        (["batch", "{lost}"], "does not exist"),
    ],
)
def test_wrong_use_is_code_2_before_anyone_is_asked(photo: Path, arguments: list[str], told: str) -> None:
    folder = photo.parent
    files = {
        "text": "no picture",
        "empty": '{"items": []}',
        "lost": '{"items": [{"type": "edit", "imageKey": "nowhere.jpg"}]}',
    }
    for name, content in files.items():
        (folder / name).write_text(content)
    names = {"me": str(photo), **{name: str(folder / name) for name in files}}
    ran = CliRunner().invoke(app, [each.format(**names) for each in arguments], env={"COLUMNS": "400"})
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert told in ran.stderr
