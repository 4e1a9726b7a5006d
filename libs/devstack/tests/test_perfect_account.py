"""Keys, their units and their quotas; what was counted."""

import time

import pytest
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.testing import eventually

from .customer import CREDIT, HISTORY, MODEL, TEXT, TRYON, World

TEXT_ORDER = {"model": MODEL, "prompt": "a fox"}


@pytest.fixture
async def keys(world: World, sandbox: Remote) -> tuple[str, str]:
    """Ours, and another of the same account."""
    await sandbox.change(api_keys=[world.server.api_key, "other"])
    return world.server.api_key, "other"


async def balance(world: World, key: str) -> int:
    results = (await world.ask("GET", CREDIT, key=key))[1]["results"]
    return sum(int(each["amount_dec"]) for each in results)


async def test_each_key_has_a_balance_and_a_history_of_its_own(
    world: World, sandbox: Remote, keys: tuple[str, str]
) -> None:
    ours, other = keys
    await sandbox.change(units={ours: 10, other: 5})
    task_id = await world.create()
    await world.ended(task_id)
    assert (await balance(world, ours), await balance(world, other)) == (8, 5)
    histories = [(await world.ask("GET", HISTORY, key=key))[1]["result"]["history"] for key in keys]
    assert [[entry["target_id"] for entry in history] for history in histories] == [[task_id], []]
    assert histories[0][0]["info"]["credits"][0]["amount_dec"] == -2


async def test_one_key_may_run_dry_while_another_works(world: World, sandbox: Remote, keys: tuple[str, str]) -> None:
    ours, other = keys
    await sandbox.set_units(1, ours)
    status, answer = await world.ask("POST", TRYON, world.order(), ours)
    assert (status, answer["error_code"]) == (400, "CreditInsufficiency")
    assert (await world.ask("POST", TRYON, world.order(), other))[0] == 200
    await sandbox.set_units(100)
    assert (await balance(world, ours), await balance(world, other)) == (100, 100)


@pytest.mark.parametrize(("setting", "code"), [("expired_keys", "ExpiredApiKey"), ("inactive_keys", "InactiveApiKey")])
async def test_a_key_can_end_and_come_back(
    world: World, sandbox: Remote, keys: tuple[str, str], setting: str, code: str
) -> None:
    ours, other = keys
    await sandbox.change(**{setting: [ours]})
    status, answer = await world.ask("GET", CREDIT, key=ours)
    assert (status, answer["error_code"]) == (401, code)
    assert (await world.ask("GET", CREDIT, key=other))[0] == 200
    await sandbox.change(**{setting: []})
    assert (await world.ask("GET", CREDIT, key=ours))[0] == 200


async def test_the_quota_of_a_key_follows_it_to_every_address(
    world: World, sandbox: Remote, keys: tuple[str, str]
) -> None:
    await sandbox.change(quota_calls=2, quota_address_calls=0)
    statuses = [(await world.call("GET", CREDIT, X_Sandbox_Egress=f"10.0.0.{each}")).status for each in range(3)]
    assert statuses == [200, 200, 429]
    assert (await world.call("GET", CREDIT, key=keys[1])).status == 200


async def test_the_quota_of_an_address_is_shared_by_all_keys(
    world: World, sandbox: Remote, keys: tuple[str, str]
) -> None:
    await sandbox.change(quota_calls=0, quota_address_calls=2)
    statuses = [(await world.call("GET", CREDIT, key=key)).status for key in (*keys, keys[0])]
    assert statuses == [200, 200, 429]
    assert (await world.call("GET", CREDIT, X_Sandbox_Egress="10.0.0.9")).status == 200


async def test_tasks_that_nobody_looks_at_in_time_expire_and_stay_charged(world: World, sandbox: Remote) -> None:
    await sandbox.change(look_window_s=60)
    looked_at, neglected = await world.create(), await world.create()
    await world.look(looked_at)
    await sandbox.advance(61)
    assert (await world.ended(looked_at))["task_status"] == "success"
    assert (await world.ask("GET", f"{TRYON}/{neglected}")) == (400, {"status": 400, "error": "Invalid task ID"})
    await eventually(lambda: _charged(world, {looked_at, neglected}))


async def _charged(world: World, tasks: set[str]) -> bool:
    history = (await world.ask("GET", HISTORY))[1]["result"]["history"]
    return {entry["target_id"] for entry in history} == tasks


async def test_the_price_list_names_every_feature(world: World) -> None:
    skus = (await world.ask("GET", "/s2s/v2.0/credit/feature-cost"))[1]["result"]["skus"]
    prices: dict[str, set[int]] = {}
    assert all(sku["run_task_url"].startswith(f"{world.server.url}/s2s/") for sku in skus)
    for sku in skus:
        prices.setdefault(sku["run_task_url"].rpartition("/task/")[2], set()).add(sku["amount"])
    assert prices == {
        "cloth-v4": {2},
        "cloth-v3": {2},
        "cloth": {2},
        "text-to-image/youcam": {1},
        "image-to-image/youcam": {1},
        "obj-replace": {1},
        "hair-transfer": {2},
        "skin-analysis": {9, 12, 14, 16, 20, 22},
    }


async def test_a_key_and_an_address_make_five_calls_a_second(
    world: World, sandbox: Remote, keys: tuple[str, str]
) -> None:
    await sandbox.change(calls_per_second=5)
    statuses = [(await world.call("GET", CREDIT)).status for _ in range(6)]
    assert (statuses, (await world.call("GET", CREDIT, key=keys[1])).status) == ([200] * 5 + [429], 429)
    await sandbox.advance(1)
    assert (await world.call("GET", CREDIT)).status == 200


async def test_running_tasks_may_reserve_their_units(world: World, sandbox: Remote) -> None:
    await sandbox.change(reserve_units=True, latency_ms=60_000, units={world.server.api_key: 5})
    first = await world.create()
    await world.create()
    status, answer = await world.ask("POST", TRYON, world.order())
    assert (status, answer["error_code"]) == (400, "CreditInsufficiency")
    assert await balance(world, world.server.api_key) == 5
    await sandbox.advance(61)
    await world.ended(first)
    await eventually(lambda: _has_balance(world, 1))


async def _has_balance(world: World, units: int) -> bool:
    return await balance(world, world.server.api_key) == units


async def test_everything_is_counted(world: World, sandbox: Remote, keys: tuple[str, str]) -> None:
    ours, other = keys
    await sandbox.change(quota_calls=3, quota_address_calls=0, units={ours: 10, other: 10})
    await sandbox.fault("engine_error", feature="text-to-image")
    for path, body in [(TRYON, world.order()), (TEXT, TEXT_ORDER), (TEXT, TEXT_ORDER), (TEXT, TEXT_ORDER)]:
        await world.call("POST", path, body)
    await sandbox.change(quota_calls=0)
    await world.made(TEXT, TEXT_ORDER)
    await world.call("POST", TRYON, {}, other)
    stats = await sandbox.stats()
    assert (stats["tasksCreated"], stats["tasksByFeature"]) == (4, {"cloth-v4": 1, "text-to-image": 3})
    assert stats["http429"] == stats["answersByStatus"]["429"] == 1
    assert stats["callsByOperation"]["create"] == 6
    assert stats["calls"] == sum(stats["callsByOperation"].values()) == sum(stats["answersByStatus"].values())
    assert stats["unitsBalanceByKey"][other] == 10


async def test_a_task_shows_where_its_inputs_were_but_not_how_they_were_signed(world: World, sandbox: Remote) -> None:
    before = time.time()
    await world.ended(await world.create(src_file_url=f"{world.at('person')}?signature=secret"))
    [task] = await sandbox.tasks()
    assert task["inputs"] == ["/person", "/garment"]
    assert (task["key"], task["feature"], task["unitsCharged"]) == (world.server.api_key, "cloth-v4", 2)
    assert task["looks"] >= 1
    assert before <= task["createdAtReal"] <= task["createdAtReal"] + task["endedAt"] - task["createdAt"]
    assert "secret" not in str(task)
