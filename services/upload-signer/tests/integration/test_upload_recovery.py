"""Crashes, lost leases and a storage that is away: nothing is lost, nobody is told twice, nothing stays behind."""

from typing import Any
from uuid import uuid4

from aiohttp import web
from closet_chassis.postgres import Pool
from closet_contracts.ownership import Service
from closet_contracts.upload import Asset, UploadReady
from closet_devstack.ports import free_port
from closet_devstack.samples import person_jpeg
from closet_devstack.testing import eventually
from closet_messaging.inbox import handle_batch
from closet_messaging.transaction import transaction
from upload_signer import store
from upload_signer.domain import Rejection
from upload_signer.subscriptions import subscriptions
from upload_signer.worker import Outcome, UploadChecker

_NEW = "INSERT INTO uploads (upload_id, tenant_id, user_id, wanted_until) VALUES ($1, 't', 'p', now())"


class _Nobody:
    service = Service.UPLOAD_SIGNER

    def enqueue(self, rows: Any) -> None:
        """Leave them to the sweeper."""


def _checker(pool: Pool) -> UploadChecker:
    """A worker of another replica, which does only what a test tells it to."""
    neither: Any = None
    return UploadChecker(lambda: transaction(pool, _Nobody()), objects=neither, pictures=neither, tenant_limit=5)


async def _expire(pool: Pool) -> None:
    await pool.execute("UPDATE uploads SET due_at = now() - interval '1 minute' WHERE state = 'unchecked'")


async def test_a_check_that_died_with_its_process_is_done_by_another(start: Any, world: Any, pool: Pool) -> None:
    event = world.accepted(await world.place(person_jpeg()))
    await handle_batch(pool, _Nobody(), subscriptions(lambda: None), [event])
    dead = _checker(pool)
    [check] = (await dead.claim(1)).items
    await start()
    assert (await dead.claim(1)).items == []
    await _expire(pool)
    [told] = await world.answers(event.data.job_id)
    assert isinstance(told.data, UploadReady)
    # It was not dead after all, only slow: what it found is not believed.
    assert await dead._settle_batcher.submit(Outcome(check, Rejection("picture_damaged", "No."), None)) is False
    assert await pool.fetchval("SELECT state FROM uploads") == "ready"
    assert len(await world.events(event.data.job_id)) == 1


async def test_a_lease_is_kept_while_its_holder_lives(pool: Pool) -> None:
    checker = _checker(pool)
    await pool.execute(
        "INSERT INTO uploads (upload_id, tenant_id, user_id, wanted_until) VALUES ('u', 't', 'p', now())"
    )
    [check] = (await checker.claim(5)).items
    await _expire(pool)
    await checker.renew([check])
    assert (await checker.claim(5)).items == []
    await _expire(pool)
    [taken_over] = (await checker.claim(5)).items
    assert taken_over.tries == 2
    await _expire(pool)
    await checker.renew([check])
    assert len((await checker.claim(5)).items) == 1


async def test_raw_bytes_that_a_crash_left_are_swept_up(start: Any, world: Any, pool: Pool) -> None:
    await start()
    upload_id = await world.upload(person_jpeg())
    await world.answers(await world.job(upload_id))
    await eventually(lambda: pool.fetchval("SELECT NOT raw_left FROM uploads"))
    await world.objects.put(f"tenant/{world.tenant}/uploads/{upload_id}", b"left", "image/jpeg")
    await pool.execute("UPDATE uploads SET raw_left = true, settled_at = now() - interval '1 hour'")
    await start()  # sweeps at its start

    async def swept() -> bool:
        return not await world.raw(upload_id)

    await eventually(swept)


class Door:
    """Stands before the storage: shut, every call is answered 503."""

    def __init__(self, target: str, session: Any) -> None:
        self.target = target
        self.session = session
        self.shut = True
        self.knocks = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.knocks += 1
        if self.shut:
            return web.Response(status=503)
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        headers["Host"] = request.headers["Host"]
        url = f"{self.target}{request.raw_path}"
        body = await request.read()
        async with self.session.request(request.method, url, headers=headers, data=body or None) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)


async def _door(world: Any, s3_server: Any) -> tuple[Door, str, web.AppRunner]:
    door = Door(s3_server.endpoint, world.session)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", door.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return door, f"http://127.0.0.1:{port}", runner


async def test_a_storage_that_is_away_is_waited_for(start: Any, world: Any, pool: Pool, s3_server: Any) -> None:
    door, url, runner = await _door(world, s3_server)
    healthy = await start()
    upload_id = await world.upload(person_jpeg())
    await healthy.aclose()
    stack = await start(S3_ENDPOINT=url)
    job_id = await world.job(upload_id)
    await eventually(lambda: pool.fetchval("SELECT tries >= 1 AND lease IS NULL FROM uploads"))
    assert await world.events(job_id) == []
    door.shut = False
    [told] = await world.answers(job_id)
    assert isinstance(told.data, UploadReady)
    await stack.aclose()
    await runner.cleanup()


async def test_an_upload_that_no_job_waits_for_any_more_is_forgotten(pool: Pool) -> None:
    checker = _checker(pool)
    async with transaction(pool, _Nobody()) as tx:
        await tx.conn.execute(_NEW, "u")
        await tx.conn.execute(store.ADD_WAITING_JOB, "u", "job_1", uuid4(), None, [])
    [check] = (await checker.claim(1)).items
    async with transaction(pool, _Nobody()) as tx:
        await store.retry(tx.conn, {check.upload_id: 1.0})
    assert await pool.fetchval("SELECT count(*) FROM uploads") == 0
    assert await pool.fetchval("SELECT count(*) FROM waiting_jobs") == 0


async def test_several_checks_are_settled_in_one_transaction(pool: Pool) -> None:
    checker = _checker(pool)
    async with transaction(pool, _Nobody()) as tx:
        for name in ("a", "b", "c"):
            await tx.conn.execute(_NEW, name)
    a, b, c = sorted((await checker.claim(5)).items, key=lambda check: check.upload_id)
    asset = Asset(key="k", content_type="image/png", width=1, height=1, size_bytes=1, sha256="0" * 64)
    outcomes = [Outcome(a, asset, None), Outcome(b, Rejection("picture_damaged", "No."), None), Outcome(c, asset, None)]
    assert await checker._record(outcomes) == [True, True, True]
    rows = await pool.fetch("SELECT upload_id, state FROM uploads ORDER BY upload_id")
    assert [(row["upload_id"], row["state"]) for row in rows] == [("a", "ready"), ("b", "rejected"), ("c", "ready")]
    assert await pool.fetchval("SELECT count(DISTINCT xmin::text) FROM uploads") == 1
