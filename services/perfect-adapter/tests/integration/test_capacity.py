"""Who waits for how long: turns in the database, capacity told, templates listed."""

from collections import Counter
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.codec import decode, encode
from closet_contracts.generation import Priority
from closet_contracts.rpc import ListTemplates
from closet_contracts.work import TextToImage
from closet_devstack.testing import eventually
from closet_messaging.connection import connect, drain
from closet_messaging.rpc import RpcFailed, ask

HAT = TextToImage(prompt="a hat")


async def say_for(world: Any, tenant: str, count: int, **details: Any) -> None:
    home, world.tenant = world.tenant, tenant
    events = [world.dispatched(work=HAT, inputs=(), **details) for _ in range(count)]
    world.tenant = home
    for event in events:
        await world.nc.jetstream().publish(event.type, encode(event))


async def order_of(pool: Pool) -> list[str]:
    """Tenants in the order in which their tasks were ordered."""
    return [
        row[0] for row in await pool.fetch("SELECT tenant_id FROM renders WHERE asked_at IS NOT NULL ORDER BY asked_at")
    ]


async def _pause(pool: Pool) -> None:
    await pool.execute("UPDATE parties SET paused_until = now() + interval '1 hour'")


async def _go_on(pool: Pool) -> None:
    await pool.execute("UPDATE parties SET paused_until = now()")


async def test_tenants_take_turns_and_a_kiosk_goes_first(start: Any, world: Any, pool: Pool) -> None:
    for _ in range(2):
        await start(PERFECT_ORDERS_AT_ONCE=1)
    await _pause(pool)
    await say_for(world, "flood", 40)
    await say_for(world, "calm", 5)
    await say_for(world, "kiosk", 1, priority=Priority.KIOSK_LIVE)
    await say_for(world, "batch", 2, priority=Priority.BATCH)
    await eventually(lambda: pool.fetchval("SELECT count(*) = 48 FROM renders"))
    await _go_on(pool)
    await eventually(lambda: pool.fetchval("SELECT count(*) = 48 FROM renders WHERE state = 'done'"), timeout=90)
    order = await order_of(pool)
    assert order.index("kiosk") < 2
    others = [tenant for tenant in order if tenant != "kiosk"]  # one of these may have been first, whoever it was
    assert Counter(others[:16])["calm"] == 5, "five of the first sixteen: they take turns, two units at a time"
    assert set(order[-2:]) == {"batch"}, "batches wait for all else"


async def test_one_tenant_may_have_so_many_in_flight(start: Any, world: Any, pool: Pool) -> None:
    await start(PERFECT_TENANT_IN_FLIGHT=2)
    await world.vendor.change(latency_ms=1500)
    await say_for(world, "flood", 6)
    await say_for(world, "calm", 1)
    await eventually(lambda: pool.fetchval("SELECT count(*) = 3 FROM renders WHERE state = 'running'"))
    rows = await pool.fetch("SELECT tenant_id, count(*) FROM renders WHERE state = 'running' GROUP BY 1")
    assert dict(map(tuple, rows)) == {"flood": 2, "calm": 1}


async def capacities(world: Any) -> list[Any]:
    js = world.nc.jetstream()
    last = (await js.stream_info("CLOSET_RENDER")).state.last_seq
    events = [decode((await js.get_msg("CLOSET_RENDER", seq)).data or b"") for seq in range(1, last + 1)]
    return [event.data for event in events if event.type.endswith(".capacity_changed.v1")]


async def test_capacity_is_published_when_it_changes(start: Any, world: Any, pool: Pool) -> None:
    await start(PERFECT_QUOTA_CALLS=250)

    async def told(waiting: int) -> bool:
        return any(each.waiting[Priority.INTERACTIVE] >= waiting for each in await capacities(world))

    await eventually(lambda: told(0))
    [first] = await capacities(world)
    assert (first.available, first.per_minute, first.running) == (True, 25.0, 0)
    await _pause(pool)
    await say_for(world, "t1", 12)
    await eventually(lambda: told(12))
    await world.vendor.change(inactive_keys=[world.api_key])
    await _go_on(pool)

    async def unavailable() -> bool:
        return not (await capacities(world))[-1].available

    await eventually(unavailable)


async def test_without_a_quota_nothing_limits(start: Any, world: Any) -> None:
    await start(PERFECT_QUOTA_CALLS=0, PERFECT_PACE_PER_S=0)

    async def told() -> Any:
        return await capacities(world)

    assert (await eventually(told))[0].per_minute is None


async def test_templates_are_listed_and_paged(start: Any, world: Any, nats_url: Any) -> None:
    nc = await connect(nats_url("kiosk-gateway"), "kiosk-gateway")
    try:
        await start()
        await world.pool.execute("UPDATE template_lists SET listed_at = NULL")
        with pytest.raises(RpcFailed) as caught:
            await ask(nc, ListTemplates(kind="hairstyle"))
        assert caught.value.code == "templates_unavailable"
        await world.relist_templates()
        await start()  # a replica that starts measures at once

        async def listed() -> Any:
            try:
                return await ask(nc, ListTemplates(kind="hairstyle", limit=100))
            except RpcFailed:
                return None

        whole = await eventually(listed)
        assert len({template.template_id for template in whole.templates}) == len(whole.templates) >= 45
        assert whole.next_cursor is None
        ones = [await ask(nc, ListTemplates(kind="hairstyle", limit=1))]
        while ones[-1].next_cursor is not None:
            ones.append(await ask(nc, ListTemplates(kind="hairstyle", limit=1, cursor=ones[-1].next_cursor)))
        assert [template for page in ones for template in page.templates] == list(whole.templates)
        with pytest.raises(RpcFailed) as caught:
            await ask(nc, ListTemplates(kind="hairstyle", cursor="x"))
        assert caught.value.code == "invalid_cursor"
    finally:
        await drain(nc)


async def test_a_stop_is_published_with_its_end(start: Any, world: Any, pool: Pool) -> None:
    """An ambiguous order holds up what waits for it; a pause of the address holds up everything."""
    await start(PERFECT_ORDERS_AT_ONCE=1)
    await world.vendor.fault("html_error", operation="create", status=502)
    await world.job()
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM renders WHERE state = 'doubtful'"))
    await world.job()

    async def stop_s() -> float:
        last = (await capacities(world))[-1]
        return (last.stopped_until - last.measured_at).total_seconds() if last.stopped_until else 0.0

    async def told_between(least: float, most: float) -> bool:
        return least < await stop_s() < most

    await eventually(lambda: told_between(10, 42))
    await pool.execute("UPDATE parties SET paused_until = now() + interval '90 s' WHERE kind = 'egress'")
    await eventually(lambda: told_between(80, 92))
    await pool.execute("UPDATE parties SET paused_until = now()")
    await pool.execute("UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now() WHERE ended_at IS NULL")
    await eventually(lambda: told_between(-1, 0.1))
