"""Every kind of work goes the same way in: whose inputs, what consent, what price, one event."""

import asyncio
from typing import Any

import pytest
from closet_contracts.generation import GenerationRequested, Priority
from closet_contracts.work import Batch, Concern, Edit, Hairstyle, Role, Size, SkinAnalysis, Style, TextToImage
from closet_devstack.testing import eventually


async def requested(bus: Any, job_id: str) -> GenerationRequested:
    """The event that requested the job."""

    async def published() -> Any:
        events = [event.data for event in await bus.events("CLOSET_GENERATION")]
        return [data for data in events if data.job_id == job_id]

    (data,) = await eventually(published)
    assert isinstance(data, GenerationRequested)
    return data


def upload_of(key: str) -> str:
    return key.rpartition("/")[2]


async def test_pictures_from_words_need_no_consent(replica: Any, bus: Any) -> None:
    api = await (await replica()).user()
    body = {"prompt": " a red dress ", "style": "studio", "width": 512, "height": 768, "variants": 3}
    created = await api.post("/gen/text2img", body, key="k")
    assert (created.status, created.body["cost"]["credits"]) == (202, 9)
    assert (await api.post("/gen/text2img", body, key="k")).body == created.body
    data = await requested(bus, created.body["jobId"])
    size = Size(width=512, height=768)
    assert data.work == TextToImage(prompt="a red dress", style=Style.STUDIO, size=size, variants=3)
    assert (data.inputs, data.consent_given_at, data.priority) == ((), None, Priority.INTERACTIVE)


async def test_an_edit_takes_a_picture_and_a_mask(replica: Any, bus: Any) -> None:
    api = await (await replica()).user()
    await api.consent()
    image, mask = await api.upload(), await api.upload()
    body = {"imageKey": image, "maskKey": mask, "prompt": "a bow", "size": {"width": 600, "height": 800}}
    created = await api.post("/gen/edit", body)
    assert (created.status, created.body["cost"]["credits"]) == (202, 4)
    data = await requested(bus, created.body["jobId"])
    assert data.work == Edit(prompt="a bow", size=Size(width=600, height=800))
    assert [(part.role, part.upload_id) for part in data.inputs] == [
        (Role.IMAGE, upload_of(image)),
        (Role.MASK, upload_of(mask)),
    ]
    assert data.consent_given_at is not None


async def test_hair_comes_from_a_template_or_a_picture(replica: Any, bus: Any) -> None:
    api = await (await replica()).user()
    await api.consent()
    image, reference = await api.upload(), await api.upload()
    by_template = await api.post("/gen/hairstyle", {"imageKey": image, "templateId": "hair-1"})
    by_picture = await api.post("/gen/hairstyle", {"imageKey": image, "referenceKey": reference})
    data = await requested(bus, by_template.body["jobId"])
    assert (data.work, len(data.inputs)) == (Hairstyle(template_id="hair-1"), 1)
    data = await requested(bus, by_picture.body["jobId"])
    assert data.work == Hairstyle()
    assert [part.role for part in data.inputs] == [Role.IMAGE, Role.REFERENCE]


async def test_skin_is_looked_at_by_the_names_of_the_product_or_the_vendor(replica: Any, bus: Any) -> None:
    api = await (await replica()).user()
    await api.consent()
    image = await api.upload()
    created = await api.post("/gen/skin-analysis", {"imageKey": image, "actions": ["hd_pore", "hd_dark_circle"]})
    data = await requested(bus, created.body["jobId"])
    assert data.work == SkinAnalysis(actions=(Concern.PORE, Concern.DARK_CIRCLE), hd=True)
    mixed = await api.post("/gen/skin-analysis", {"imageKey": image, "actions": ["hd_pore", "acne"]})
    assert (mixed.status, mixed.code) == (422, "invalid_request")


async def test_a_batch_is_one_job_whose_items_have_their_own_inputs(replica: Any, bus: Any, pool: Any) -> None:
    api = await (await replica()).user(scopes=["generate", "generate:live", "consent"])
    await api.consent()
    person, garment, image = [await api.upload() for _ in range(3)]
    items = [
        {"type": "tryon", "personKey": person, "itemKey": garment},
        {"type": "text2img", "prompt": "a red dress", "width": 2048},
        {"type": "edit", "imageKey": image, "prompt": "a bow"},
        {"type": "hairstyle", "imageKey": person, "templateId": "hair-1"},
    ]
    created = await api.post("/gen/batch", {"items": items})
    assert (created.status, created.body["cost"]["credits"]) == (202, 9)
    data = await requested(bus, created.body["jobId"])
    assert isinstance(data.work, Batch)
    assert [item.kind for item in data.work.items] == ["tryon", "text2img", "edit", "hairstyle"]
    assert [(part.item, part.upload_id) for part in data.inputs] == [
        (0, upload_of(person)),
        (0, upload_of(garment)),
        (2, upload_of(image)),
        (3, upload_of(person)),
    ]
    assert data.priority is Priority.BATCH
    assert await pool.fetchval("SELECT items FROM jobs") == 4


async def test_a_batch_of_words_needs_no_consent(replica: Any) -> None:
    api = await (await replica()).user()
    items = [{"type": "text2img", "prompt": f"dress {number}"} for number in range(50)]
    assert (await api.post("/gen/batch", {"items": items})).body["cost"]["credits"] == 100


async def test_who_stands_at_a_kiosk_is_served_first(replica: Any, bus: Any) -> None:
    instance = await replica()
    live = await instance.user(scopes=["generate", "generate:live"])
    created = await live.post("/gen/text2img", {"prompt": "a red dress"})
    assert (await requested(bus, created.body["jobId"])).priority is Priority.KIOSK_LIVE
    only_live = await instance.user(scopes=["generate:live"])
    assert (await only_live.post("/gen/text2img", {"prompt": "a"})).code == "insufficient_scope"


BODIES = {
    "edit": {"imageKey": "{key}", "prompt": "a bow"},
    "hairstyle": {"imageKey": "{key}", "templateId": "hair-1"},
    "skin-analysis": {"imageKey": "{key}", "actions": ["acne"]},
    "batch": {"items": [{"type": "edit", "imageKey": "{key}", "prompt": "a bow"}]},
}


def filled(body: Any, key: str) -> Any:
    if isinstance(body, dict):
        return {name: filled(value, key) for name, value in body.items()}
    if isinstance(body, list):
        return [filled(each, key) for each in body]
    return key if body == "{key}" else body


@pytest.mark.parametrize("kind", BODIES)
async def test_a_photo_needs_consent_and_its_owner(replica: Any, bus: Any, kind: str) -> None:
    instance = await replica()
    api, stranger = await instance.user(), await instance.user("u-2")
    body = filled(BODIES[kind], await api.upload())
    assert (await api.post(f"/gen/{kind}", body)).code == "consent_required"
    await asyncio.gather(api.consent(), stranger.consent())
    assert (await stranger.post(f"/gen/{kind}", body)).code == "input_not_found"
    assert (await api.post(f"/gen/{kind}", {**body, "consent": False})).code == "consent_required"
    assert (await api.post(f"/gen/{kind}", filled(BODIES[kind], "../../etc"))).code == "input_not_found"
    await bus.balance(1, version=1)

    async def known() -> bool:
        return bool((await api.get("/billing/balance")).body["available"] == 1)

    await eventually(known)
    assert (await api.post(f"/gen/{kind}", body)).code == "insufficient_credits"


async def test_templates_are_listed_page_by_page(replica: Any) -> None:
    api = await (await replica()).user()
    first = (await api.get("/gen/templates?type=hairstyle&limit=3")).body
    assert [each["templateId"] for each in first["templates"]] == ["hair-0", "hair-1", "hair-2"]
    rest = (await api.get(f"/gen/templates?type=hairstyle&cursor={first['nextCursor']}")).body
    assert ([each["templateId"] for each in rest["templates"]], rest["nextCursor"]) == (["hair-3", "hair-4"], None)
    assert (await api.get("/gen/templates?type=hairstyle&cursor=x")).code == "invalid_cursor"
    early = await api.get("/gen/templates?type=hairstyle&cursor=early")
    assert (early.status, early.code, early.headers["Retry-After"]) == (503, "templates_unavailable", "60")
    assert (await api.get("/gen/templates?type=tryon")).code == "invalid_request"


async def test_a_template_that_the_vendor_does_not_offer_costs_nothing(replica: Any, bus: Any) -> None:
    api = await (await replica()).user()
    await bus.balance(100, 1)
    await api.consent()
    image = await api.upload()
    asked = {"imageKey": image, "templateId": "no-such-hair"}
    for refused in (
        await api.post("/gen/hairstyle", asked),
        await api.post("/gen/batch", {"items": [{"type": "hairstyle", **asked}]}),
    ):
        assert (refused.status, refused.code) == (422, "unknown_template")
    assert await bus.events("CLOSET_GENERATION") == []
    assert (await api.post("/gen/hairstyle", {**asked, "templateId": "hair-1"})).status == 202


async def test_json_is_taken_at_its_word(replica: Any) -> None:
    api = await (await replica()).user()
    assert (await api.post("/consent", {"given": 0})).code == "invalid_request"
    picture = {"filename": "a.png", "contentType": "image/png"}
    assert (await api.post("/gen/upload-url", {**picture, "size": "9"})).code == "invalid_request"
    assert (await api.post("/gen/upload-url", {**picture, "size": 9.0})).status == 200  # the same number
