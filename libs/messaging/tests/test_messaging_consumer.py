import asyncio
from collections import Counter
from typing import Any

import asyncpg
import orjson
import pytest
from closet_contracts.codec import encode
from closet_contracts.envelope import Event, new_event
from closet_contracts.ids import new_id
from closet_contracts.job import JobExpired, JobFailed
from closet_contracts.ownership import Service
from closet_contracts.render import RenderSucceeded
from closet_devstack.testing import eventually
from closet_messaging import outbox
from closet_messaging.bus import WrongHandlers, open_bus
from closet_messaging.transaction import Tx
from nats.aio.client import Client
from prometheus_client import REGISTRY

from .conftest import TENANT, AsService, House, Outcomes, effect, failed, ignore, letters, publish, released, unread


async def test_an_event_from_an_outbox_reaches_its_consumer(house: House) -> None:
    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)
    billing = await house.open(handlers={JobFailed: effect})
    async with orchestrator.bus.transaction() as tx:
        event = outbox.add(tx, failed(), tenant=TENANT)
    assert await eventually(billing.effects) == [event.id]


async def test_an_event_delivered_twice_counts_once(house: House, operator: Client, outcomes: Outcomes) -> None:
    billing = await house.open(handlers={JobFailed: effect})
    event = new_event(failed(), tenant=TENANT)
    for number in range(3):
        await publish(operator, event, f"copy-{number}")
    await eventually(lambda: outcomes("duplicate") == 2)
    assert await billing.effects() == [event.id]
    assert outcomes("handled") == 1


async def test_replicas_share_the_work_and_handle_each_event_once(house: House, operator: Client) -> None:
    one = await house.open(handlers={JobFailed: effect})
    await house.open(handlers={JobFailed: effect})
    events = [new_event(failed(), tenant=TENANT) for _ in range(300)]
    for copy in range(2):
        await asyncio.gather(*(publish(operator, event, f"{event.id}-{copy}") for event in events))

    async def all_read() -> bool:
        return await unread(operator) == (0, 0)

    await eventually(all_read)
    assert sorted(await one.effects()) == sorted(event.id for event in events)


async def test_a_failed_event_comes_again_and_its_first_attempt_left_nothing(house: House, operator: Client) -> None:
    attempts = Counter[str]()

    async def fails_once(tx: Tx, event: Event[Any]) -> None:
        await effect(tx, event)
        attempts[event.id] += 1
        if attempts[event.id] <= 2:  # in the batch, and alone
            raise RuntimeError("not yet")

    billing = await house.open(handlers={JobFailed: fails_once})
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    assert await eventually(billing.effects) == [event.id]
    assert attempts[event.id] == 3
    assert await letters(operator) == []


async def test_a_bad_event_in_a_batch_costs_only_itself(house: House, operator: Client, outcomes: Outcomes) -> None:
    events = [new_event(failed(), tenant=TENANT) for _ in range(20)]
    bad = events[7].id

    async def refuses_one(tx: Tx, event: Event[Any]) -> None:
        await effect(tx, event)
        if event.id == bad:
            raise RuntimeError("never")

    for event in events:
        await publish(operator, event)
    billing = await house.open(handlers={JobFailed: refuses_one})
    letter = (await eventually(lambda: letters(operator)))[0].dead_letter
    assert sorted(await billing.effects()) == sorted(event.id for event in events if event.id != bad)
    assert (letter.event_id, letter.deliveries, letter.error) == (bad, 3, "RuntimeError: never")
    assert (outcomes("handled"), outcomes("failed"), outcomes("dead")) == (19, 2, 1)


async def test_bytes_that_are_no_event_become_a_dead_letter_at_once(house: House, operator: Client) -> None:
    billing = await house.open(handlers={JobFailed: effect})
    good = new_event(failed(), tenant=TENANT)
    not_a_uuid = orjson.dumps(orjson.loads(encode(good)) | {"id": "seven"})
    for number, raw in enumerate((b"\xff", b'{"specversion":"1.0"}', not_a_uuid, encode(good))):
        await operator.jetstream().publish(JobFailed.TYPE, raw, headers={"Nats-Msg-Id": str(number)})

    async def three() -> bool:
        return len(await letters(operator)) == 3

    await eventually(three)
    assert await eventually(billing.effects) == [good.id]
    found = [stored.dead_letter for stored in await letters(operator)]
    assert [letter.deliveries for letter in found] == [1, 1, 1]
    assert sorted(letter.payload for letter in found) == sorted((b"\xff", b'{"specversion":"1.0"}', not_a_uuid))
    assert await unread(operator) == (0, 0)


async def test_unknown_types_are_acknowledged_and_counted(house: House, operator: Client) -> None:
    billing = await house.open()
    document = orjson.loads(encode(new_event(failed(), tenant=TENANT)))
    stranger = orjson.dumps(document | {"type": "closet.job.painted_red.v1"})
    # On the subject of its own it would be nobody's: a letter that is sent back is all that can bring one.
    subject = f"closet.replay.{billing.bus.service}.closet.job.painted_red.v1"
    await operator.jetstream().publish(subject, stranger)
    labels = {"type": subject, "outcome": "unknown"}
    await eventually(lambda: REGISTRY.get_sample_value("closet_events_handled_total", labels) == 1)

    async def read() -> bool:
        return await unread(operator, stream="CLOSET_REPLAY") == (0, 0)

    await eventually(read)
    assert await letters(operator) == []


async def test_a_forged_event_is_a_dead_letter_at_once(house: House, as_service: AsService, operator: Client) -> None:
    """A service's own words, but of what is another's to say: on the bus it may speak on its own subjects only."""
    billing = await house.open(handlers={JobFailed: effect, RenderSucceeded: effect})
    orchestrator = await as_service(Service.JOB_ORCHESTRATOR)
    mine = orjson.loads(encode(new_event(failed(), tenant=TENANT)))
    forged = [
        mine | {"type": RenderSucceeded.TYPE, "source": "closet/perfect-adapter"},
        mine | {"type": JobExpired.TYPE},
        mine | {"source": "closet/perfect-adapter"},
        mine | {"type": "closet.job.painted_red.v1"},
    ]
    for document in forged:
        await orchestrator.jetstream().publish(JobFailed.TYPE, orjson.dumps(document))

    async def all_there() -> bool:
        return len(await letters(operator)) == len(forged)

    await eventually(all_there)
    found = [stored.dead_letter for stored in await letters(operator)]
    assert {(letter.deliveries, letter.event_id) for letter in found} == {(1, None)}
    assert all(letter.error.startswith("MalformedEvent: ") for letter in found)
    assert await billing.effects() == []


async def test_events_of_one_job_are_handled_in_the_order_in_which_they_came(house: House, operator: Client) -> None:
    seen: list[tuple[str, int]] = []

    async def note(_tx: Tx, event: Event[Any]) -> None:
        seen.append((event.correlationid, event.data.version))

    jobs = [new_id("job") for _ in range(10)]
    for version in range(1, 6):
        for job in reversed(jobs):
            await publish(operator, new_event(failed(job, version), tenant=TENANT))
    await house.open(handlers={JobFailed: note})
    await eventually(lambda: len(seen) == 50)
    for job in jobs:
        assert [version for name, version in seen if name == job] == [1, 2, 3, 4, 5]


async def test_replicas_that_lock_the_same_rows_do_not_deadlock(
    house: House, operator: Client, outcomes: Outcomes
) -> None:
    async def touch(tx: Tx, event: Event[Any]) -> None:
        await tx.conn.execute(
            "INSERT INTO touched VALUES ($1) ON CONFLICT (job) DO UPDATE SET times = touched.times + 1",
            event.correlationid,
        )

    replicas = [await house.open(handlers={JobFailed: touch, JobExpired: touch}) for _ in range(2)]
    pool = replicas[0].pool
    owner = await asyncpg.connect(house.owner_url(house.databases[Service.BILLING_METER]))
    await owner.execute("CREATE TABLE touched (job text PRIMARY KEY, times integer NOT NULL DEFAULT 1)")
    await owner.execute("GRANT ALL ON touched TO PUBLIC")
    await owner.close()
    jobs = [new_id("job") for _ in range(40)]
    for version in range(1, 11):
        ordered = jobs if version % 2 else jobs[::-1]
        await asyncio.gather(*(publish(operator, new_event(failed(job, version), tenant=TENANT)) for job in ordered))

    async def all_there() -> bool:
        return bool(await pool.fetchval("SELECT sum(times) = 400 FROM touched"))

    await eventually(all_there)
    assert outcomes("failed") == 0


async def test_a_graceful_stop_finishes_what_is_in_hand_and_gives_the_rest_back(house: House, operator: Client) -> None:
    begun = asyncio.Event()

    async def slow(tx: Tx, event: Event[Any]) -> None:
        begun.set()
        await tx.conn.execute("SELECT pg_sleep(0.005)")
        await effect(tx, event)
        outbox.add(tx, released(event.correlationid), tenant=TENANT, cause=event)

    billing = await house.open(handlers={JobFailed: slow})
    events = [new_event(failed(), tenant=TENANT) for _ in range(400)]
    await asyncio.gather(*(publish(operator, event) for event in events))
    await begun.wait()
    await billing.stop()

    another = await house.open(handlers={JobFailed: ignore})
    done, emitted, unpublished = await another.pool.fetchrow(  # type: ignore[misc]  # there is always one row
        """
        SELECT (SELECT count(*) FROM effects), count(*), count(*) FILTER (WHERE published_at IS NULL) FROM outbox
    """
    )
    assert 0 < done < 400
    assert (emitted, unpublished) == (done, 0)

    async def the_rest_is_read() -> bool:
        return bool(await another.pool.fetchval("SELECT count(*) >= 400 FROM inbox"))

    await eventually(the_rest_is_read)


async def test_a_service_whose_handlers_are_not_the_catalogues_does_not_start(house: House) -> None:
    replica = await house.open()
    with pytest.raises(WrongHandlers, match=r"closet\.job\.accepted\.v1"):
        async with open_bus(replica.process, Service.BILLING_METER, replica.pool, {JobFailed: effect}):
            pass
