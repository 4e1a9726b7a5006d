"""A job that names a quote costs what was quoted, whatever the prices are by then."""

from datetime import UTC, datetime
from typing import Any

from closet_contracts.credit import CreditPricesPublished, PriceBook
from closet_devstack.testing import eventually
from kiosk_gateway.worker import purge_expired

TERMS = {"type": "text2img", "variants": 2}
BODY = {"prompt": "a red dress", "variants": 2}


async def test_every_kind_has_an_estimate(replica: Any) -> None:
    api = await (await replica()).user()
    large = {"width": 2048, "height": 2048}
    terms: list[tuple[dict[str, Any], int]] = [
        ({"type": "tryon"}, 5),
        ({"type": "text2img", **large, "variants": 2}, 9),
        ({"type": "edit", "size": large}, 6),
        ({"type": "hairstyle"}, 5),
        ({"type": "skin-analysis"}, 18),
        ({"type": "skin-analysis", "actions": ["hd_acne", "hd_pore"]}, 24),
        ({"type": "batch", "items": [{"type": "tryon"}, {"type": "edit", "size": large}]}, 5),
    ]
    for asked, credits in terms:
        assert (await api.post("/gen/estimate", asked)).body["credits"] == credits
    for wrong in (
        {},
        {"type": "portrait"},
        {"type": "tryon", "personKey": "p"},
        {"type": "batch"},
        {"type": "skin-analysis", "actions": []},
    ):
        assert (await api.post("/gen/estimate", wrong)).code == "invalid_request"
    five = {"type": "skin-analysis", "actions": ["acne", "pore", "texture", "wrinkle", "redness"]}
    assert (await api.post("/gen/estimate", five)).code == "unpriceable"


async def test_a_named_quote_is_the_price(replica: Any, bus: Any) -> None:
    api = await (await replica()).user()
    quote = (await api.post("/gen/estimate", TERMS)).body
    dearer = PriceBook(version="2026-02", credits={"text2img": 30})
    await bus.emit(CreditPricesPublished(book=dearer, effective_from=datetime.now(UTC)), "closet")

    async def dear() -> bool:
        return bool((await api.post("/gen/text2img", BODY)).body["cost"]["credits"] == 60)

    await eventually(dear)
    created = await api.post("/gen/text2img", {**BODY, "quoteId": quote["quoteId"]})
    assert (created.status, created.body["cost"]) == (202, {"credits": 6, "usd": "0.60"})

    async def published() -> Any:
        data = [event.data for event in await bus.events("CLOSET_GENERATION")]
        return [each for each in data if each.job_id == created.body["jobId"]]

    (data,) = await eventually(published)
    assert (data.quote_id, data.price.credits, data.price.book_version) == (quote["quoteId"], 6, "2026-01")


async def test_a_tenant_pays_its_own_prices(replica: Any, bus: Any) -> None:
    instance = await replica()
    mine, other = await instance.user(), await instance.user(tenant="other")
    book = PriceBook(version="2026-02", credits={"text2img": 3}, overrides={"other": {"text2img": 2}})
    await bus.emit(CreditPricesPublished(book=book, effective_from=datetime.now(UTC)), "closet")

    async def costs() -> Any:
        credits = [(await api.post("/gen/text2img", BODY)).body["cost"]["credits"] for api in (mine, other)]
        return credits == [6, 4]

    await eventually(costs)


async def test_a_quote_is_for_one_person_and_one_work(replica: Any) -> None:
    instance = await replica()
    api = await instance.user()
    body = {**BODY, "quoteId": (await api.post("/gen/estimate", TERMS)).body["quoteId"]}
    for other in (await instance.user("u-2"), await instance.user(tenant="other")):
        refused = await other.post("/gen/text2img", body)
        assert (refused.status, refused.code) == (422, "quote_not_found")
    assert (await api.post("/gen/text2img", {**body, "quoteId": "quo_none"})).code == "quote_not_found"
    for change in ({"variants": 3}, {"width": 2048}):
        assert (await api.post("/gen/text2img", {**body, **change})).code == "quote_mismatch"
    assert (await api.post("/gen/text2img", {**body, "prompt": "other words"})).status == 202


async def test_a_quote_that_has_expired_is_told_and_in_the_end_forgotten(replica: Any, pool: Any) -> None:
    api = await (await replica()).user("slow")
    body = {**BODY, "quoteId": (await api.post("/gen/estimate", TERMS)).body["quoteId"]}
    assert (await api.post("/gen/text2img", body)).code == "quote_expired"
    await purge_expired(pool)
    assert (await api.post("/gen/text2img", body)).code == "quote_expired"
    await pool.execute("UPDATE quotes SET expires_at = now() - interval '25 hours'")
    await purge_expired(pool)
    assert (await api.post("/gen/text2img", body)).code == "quote_not_found"
