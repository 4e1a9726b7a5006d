"""Every kind of work against the vendor's sandbox: asked for as published, and what comes is what was asked."""

import io
import json
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.render import RenderFailed, RenderSucceeded
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
from PIL import Image

SIZE = Size(width=640, height=800)
CLASSIC: list[Task] = [TryOn(), TextToImage(prompt="a hat"), Edit(prompt="red"), Hairstyle(template_id="any")]


def encoded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def person(width: int = 960, height: int = 1280, kind: str = "JPEG") -> bytes:
    return encoded(person_picture(width, height), kind)


def mask(width: int = 960, height: int = 1280) -> bytes:
    drawn = Image.new("L", (width, height), 0)
    drawn.paste(255, (0, 0, width // 2, height))
    return encoded(drawn, "PNG")


async def made(world: Any, work: Task, inputs: dict[Role, bytes], **details: Any) -> Any:
    """How the render of this work ended."""
    job_id = await world.job(
        work=work, inputs=[await world.asset(role, data) for role, data in inputs.items()], **details
    )
    return (await world.end(job_id)).data


async def opened(world: Any, key: str) -> Image.Image:
    image = Image.open(io.BytesIO(await world.objects.get(key, 1 << 25)))
    image.load()
    return image


ON_PERSON = {Role.PERSON: person(), Role.GARMENT: person()}
KINDS: dict[str, tuple[Task, dict[Role, bytes], str]] = {
    "text2img": (TextToImage(prompt="a red dress", style=Style.STUDIO, size=SIZE), {}, "text-to-image"),
    "edit": (Edit(prompt="make it blue", size=SIZE), {Role.IMAGE: person()}, "image-to-image"),
    "edit with a mask": (
        Edit(prompt="a green wall", size=SIZE),
        {Role.IMAGE: person(), Role.MASK: mask()},
        "obj-replace",
    ),
    "try-on": (
        TryOn(category=Category.OUTERWEAR, size=SIZE),
        {Role.PERSON: person(), Role.GARMENT: person()},
        "cloth-v4",
    ),
}


@pytest.mark.parametrize("name", KINDS)
async def test_a_picture_of_the_size_asked_for_in_two_calls(start: Any, world: Any, name: str) -> None:
    work, inputs, feature = KINDS[name]
    await start()
    end = await made(world, work, inputs)
    assert isinstance(end, RenderSucceeded), end
    [result] = end.results
    assert (await opened(world, result.key)).size == (SIZE.width, SIZE.height) == (result.width, result.height)
    assert end.vendor_calls == 2
    [task] = await world.vendor.tasks()
    assert task["feature"] == feature


async def test_the_old_engine_by_setting(start: Any, world: Any) -> None:
    """It knows no outerwear."""
    await start(PERFECT_TRYON_VERSION="v3")
    assert isinstance(await made(world, TryOn(category=Category.OUTERWEAR), ON_PERSON), RenderSucceeded)
    [task] = await world.vendor.tasks()
    assert task["feature"] == "cloth-v3"


@pytest.mark.parametrize("way", ["a template", "a reference"])
async def test_hair_goes_as_small_jpegs(start: Any, world: Any, way: str) -> None:
    """The vendor takes JPEG only, at most 1024 long: a large PNG is made fit before it is ordered."""
    await start()
    await world.relist_templates()
    inputs = {Role.IMAGE: person(1500, 2000, "PNG")}
    if way == "a reference":
        inputs[Role.REFERENCE] = person(1500, 2000, "PNG")
        work = Hairstyle()
    else:
        work = Hairstyle(template_id=await world.template())
    end = await made(world, work, inputs)
    assert isinstance(end, RenderSucceeded), end
    prepared = [key async for key in world.prepared(end.job_id)]
    assert prepared
    for key in prepared:
        image = await opened(world, key)
        assert (image.format, max(image.size)) == ("JPEG", 1024)


@pytest.mark.parametrize(
    ("work", "inputs", "expected"),
    [
        pytest.param(
            Edit(prompt="blue"),
            {Role.IMAGE: person(4032, 3024)},
            {Role.IMAGE: (3072, 2304)},
            id="a phone's photo, edited",
        ),
        pytest.param(
            Edit(prompt="a wall"),
            {Role.IMAGE: person(4032, 3024), Role.MASK: mask(4032, 3024)},
            {Role.IMAGE: (2048, 1536), Role.MASK: (2048, 1536)},
            id="a phone's photo with a mask",
        ),
        pytest.param(
            SkinAnalysis(actions=(Concern.ACNE,), hd=True), {Role.IMAGE: person(3024, 1100)}, {}, id="a face in HD"
        ),
    ],
)
async def test_pictures_are_scaled_to_what_each_feature_takes(
    start: Any, world: Any, work: Task, inputs: dict[Role, bytes], expected: dict[Role, tuple[int, int]]
) -> None:
    await start()
    end = await made(world, work, inputs)
    assert isinstance(end, RenderSucceeded), end
    sizes = {(await opened(world, key)).size for key in [key async for key in world.prepared(end.job_id)]}
    assert sizes == set(expected.values())


async def test_what_scaling_down_would_make_too_narrow_is_refused_before_it_costs(start: Any, world: Any) -> None:
    await start()
    end = await made(world, Edit(prompt="blue"), {Role.IMAGE: person(4000, 400)})
    assert (type(end), end.code) == (RenderFailed, "ratio_unsuitable")
    assert await world.calls() == {}


async def test_a_mask_is_made_as_large_as_its_picture(start: Any, world: Any) -> None:
    await start()
    inputs = {Role.IMAGE: person(960, 1280), Role.MASK: mask(300, 400)}
    assert isinstance(await made(world, Edit(prompt="a wall"), inputs), RenderSucceeded)


@pytest.mark.parametrize("form", ["json", "zip"])
@pytest.mark.parametrize("hd", [False, True], ids=["SD", "HD"])
async def test_skin_gives_scores_and_masks(start: Any, world: Any, form: str, hd: bool) -> None:
    await start(PERFECT_SKIN_FORMAT=form)
    concerns = (Concern.WRINKLE, Concern.DARK_CIRCLE, Concern.ACNE, Concern.SKIN_TYPE)
    end = await made(world, SkinAnalysis(actions=concerns, hd=hd), {Role.IMAGE: person(1200, 1600)})
    assert isinstance(end, RenderSucceeded), end
    document, *masks = end.results
    assert (document.content_type, document.label) == ("application/json", "scores")
    analysis = json.loads(await world.objects.get(document.key, 1 << 20))
    scores = analysis["scores"]
    assert {score["concern"] for score in scores} == {concern.value for concern in concerns}
    for score in scores:
        if score["concern"] == Concern.SKIN_TYPE.value:
            assert (score["score"], score["mask"]) == (None, None)
            assert score["value"]
            assert score["region"] in {"whole", "t_zone", "u_zone"}
        else:
            assert 0 <= score["score"] <= 100
    assert 0 < analysis["overall"] <= 100
    assert 18 <= analysis["skinAge"] <= 60
    assert masks
    assert not any("resize" in (mask.label or "") for mask in masks)
    named = {mask.key.rpartition("/")[2]: mask for mask in masks}
    for score in scores:
        if score["mask"]:
            assert (named[score["mask"]].label or "").startswith(score["concern"])
    assert {mask.content_type for mask in masks} <= {"image/png", "image/jpeg"}
    assert end.vendor_calls == 2
    [task] = await world.vendor.tasks()
    assert task["unitsCharged"] == (12 if hd else 9)


@pytest.mark.parametrize(
    ("work", "inputs"),
    [
        pytest.param(SkinAnalysis(actions=(Concern.ACNE,)), {Role.IMAGE: (400, 600)}, id="SD"),
        pytest.param(SkinAnalysis(actions=(Concern.ACNE,), hd=True), {Role.IMAGE: (900, 1300)}, id="HD"),
        pytest.param(TryOn(), {Role.PERSON: (300, 900), Role.GARMENT: (900, 900)}, id="try-on"),
    ],
)
async def test_what_the_vendor_would_refuse_costs_no_call(
    start: Any, world: Any, work: Task, inputs: dict[Role, tuple[int, int]]
) -> None:
    await start()
    end = await made(world, work, {role: person(*size) for role, size in inputs.items()})
    assert (type(end), end.code) == (RenderFailed, "input_too_small")
    assert end.tip
    assert await world.calls() == {}


async def test_inputs_may_be_uploaded(start: Any, world: Any) -> None:
    """Where the vendor cannot reach our storage: one call for all files, one to create, one poll."""
    await start(PERFECT_INPUTS="upload")
    end = await made(world, TryOn(), ON_PERSON)
    assert isinstance(end, RenderSucceeded), end
    assert await world.calls() == {"file": 1, "create": 1, "look": 1}
    assert end.vendor_calls == 3


async def test_files_that_are_not_taken_create_nothing(start: Any, world: Any, pool: Pool) -> None:
    await start(PERFECT_INPUTS="upload")
    await world.vendor.fault("refuse", operation="file", status=503)
    job_id = await world.job(
        inputs=[await world.asset(Role.PERSON, person()), await world.asset(Role.GARMENT, person())]
    )
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM vendor_calls WHERE outcome = 'NotMade'"))
    assert isinstance((await world.end(job_id)).data, RenderSucceeded)
    assert await world.created() == 1


@pytest.mark.parametrize("tenants", ["*", "{tenant}"])
async def test_the_vendors_copy_is_deleted_where_the_policy_says_so(
    start: Any, world: Any, pool: Pool, tenants: str
) -> None:
    await start(PERFECT_DELETE_COPIES=tenants.format(tenant=world.tenant))
    assert isinstance(await made(world, TextToImage(prompt="a hat"), {}), RenderSucceeded)
    await eventually(lambda: pool.fetchval("SELECT count(*) = 0 FROM deletions"))
    calls = await world.calls()
    assert (calls["create"], calls["look"], calls["delete"]) == (1, 1, 1)


async def test_the_vendors_copies_of_failed_and_cancelled_jobs_go_too(start: Any, world: Any, pool: Pool) -> None:
    await start(PERFECT_DELETE_COPIES="*")
    await world.vendor.fault("engine_error", code="error_pose")
    assert isinstance(await made(world, TextToImage(prompt="a hat"), {}), RenderFailed)
    await eventually(lambda: pool.fetchval("SELECT bool_and(copy_settled) FROM renders"))
    await world.vendor.fault("slow_task", ms=1500)
    cancelled = await world.job(work=TextToImage(prompt="a coat"), inputs=())
    await eventually(lambda: pool.fetchval("SELECT state = 'running' FROM renders WHERE job_id = $1", cancelled))
    await world.say(world.cancelled(cancelled))
    await eventually(
        lambda: pool.fetchval("SELECT state = 'dropped' AND copy_settled FROM renders WHERE job_id = $1", cancelled)
    )

    async def ended() -> bool:
        return all(task["status"] != "running" for task in await world.vendor.tasks())

    async def gone() -> bool:
        # One that ran when it was asked for waits for long.
        await pool.execute("UPDATE deletions SET due_at = now() WHERE lease IS NULL")
        return all(task["gone"] for task in await world.vendor.tasks())

    await eventually(ended)
    await eventually(gone)


async def test_the_vendors_copy_is_kept_otherwise(start: Any, world: Any) -> None:
    await start(PERFECT_DELETE_COPIES="somebody-else")
    await made(world, TextToImage(prompt="a hat"), {})
    assert "delete" not in await world.calls()


@pytest.mark.parametrize("shape", ["image_base64", "image_url", "images"])
@pytest.mark.parametrize("work", CLASSIC, ids=[work.kind for work in CLASSIC])
async def test_the_classic_profile(start: Any, world: Any, perfect_server: Any, work: Task, shape: str) -> None:
    await start(PERFECT_V2_API=0, PERFECT_CLASSIC_BASE=perfect_server.url)
    await world.vendor.change(classic_answer=shape)
    await world.relist_templates()
    if isinstance(work, Hairstyle):
        work = Hairstyle(template_id=await world.template())
    roles = {"tryon": (Role.PERSON, Role.GARMENT), "text2img": ()}.get(work.kind, (Role.IMAGE,))
    end = await made(world, work, {role: person(600, 800) for role in roles})
    assert isinstance(end, RenderSucceeded), end
    [result] = end.results
    assert (await opened(world, result.key)).size == (result.width, result.height)
    assert end.vendor_calls == 1


async def test_a_lost_answer_of_the_classic_profile_is_not_searched_for(
    start: Any, world: Any, perfect_server: Any
) -> None:
    await start(PERFECT_V2_API=0, PERFECT_CLASSIC_BASE=perfect_server.url)
    await world.vendor.fault("lost_answer", operation="classic")
    end = await made(world, TextToImage(prompt="a hat"), {})
    assert (type(end), end.code) == (RenderFailed, "vendor_ambiguous")
    assert "history" not in await world.calls()


async def test_no_result_is_no_success(start: Any, world: Any) -> None:
    await start()
    await world.vendor.fault("no_results")
    end = await made(world, TextToImage(prompt="a hat"), {})
    assert (type(end), end.code) == (RenderFailed, "vendor_result_unavailable")


@pytest.mark.parametrize(
    "work", [TextToImage(prompt="a hat"), SkinAnalysis(actions=(Concern.ACNE,))], ids=lambda w: w.kind
)
async def test_another_kind_of_result_is_no_success(start: Any, world: Any, work: Task) -> None:
    await start()
    await world.vendor.fault("other_kind")
    inputs = {Role.IMAGE: person()} if isinstance(work, SkinAnalysis) else {}
    end = await made(world, work, inputs)
    assert isinstance(end, RenderFailed)
    assert end.code in {"vendor_result_invalid", "vendor_result_unavailable"}


@pytest.mark.parametrize("fault", [{"kind": "result_redirect"}, {"kind": "result_oversized"}])
async def test_results_are_fetched_within_bounds(start: Any, world: Any, fault: dict[str, Any]) -> None:
    await start()
    await world.vendor.fault(fault["kind"], -1)
    end = await made(world, TextToImage(prompt="a hat"), {})
    assert isinstance(end, RenderFailed)
