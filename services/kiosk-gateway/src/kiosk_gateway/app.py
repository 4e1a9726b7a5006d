"""The service, put together."""

from functools import partial

from aiohttp import web
from closet_chassis.auth import TokenIssuer, TokenVerifier, load_keys
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import Pool, open_pool, pool_check, prepare
from closet_chassis.worker import Wake, work_loop
from closet_contracts.ownership import Service
from closet_messaging.bus import Bus, open_bus

from kiosk_gateway.domain.access import AUDIENCE
from kiosk_gateway.handlers import revocation
from kiosk_gateway.handlers.admission import Admission
from kiosk_gateway.handlers.intake import Intake
from kiosk_gateway.handlers.jobs import Jobs
from kiosk_gateway.handlers.overdue import LOOK_EVERY_S, end_overdue
from kiosk_gateway.handlers.pace import Pace
from kiosk_gateway.handlers.revocation import Revocations
from kiosk_gateway.handlers.sessions import Sessions
from kiosk_gateway.handlers.templates import Templates
from kiosk_gateway.handlers.uploads import Uploads
from kiosk_gateway.handlers.waiting import Doorbell, Waiters
from kiosk_gateway.http.context import Gateway
from kiosk_gateway.http.serving import serve_all
from kiosk_gateway.settings import Settings
from kiosk_gateway.store.money import read_prices
from kiosk_gateway.subscriptions import subscriptions
from kiosk_gateway.worker import EVERY_S, keep_house

BELL = "jobs"


async def build(process: Process[Settings]) -> None:
    """Wire everything; it is taken apart in reverse order."""
    settings = process.settings
    keys = load_keys(settings.token_key_file)
    await prepare(settings, "closet_messaging", "kiosk_gateway")
    pool = await process.stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    process.readiness.add("prices", partial(_prices_check, pool))
    waiters = Waiters()
    doorbell = Doorbell(waiters)
    bus = await process.stack.enter_async_context(
        open_bus(process, Service.KIOSK_GATEWAY, pool, subscriptions(doorbell))
    )
    await bus.subscribe(BELL, doorbell.heard)
    process.background.start("doorbell", doorbell.run(partial(bus.notify, BELL)))
    process.background.start("housekeeping", work_loop(partial(keep_house, pool), Wake(), EVERY_S))
    overdue = partial(end_overdue, bus.transaction, doorbell, settings.job_overdue_s)
    process.background.start("overdue", work_loop(overdue, Wake(), LOOK_EVERY_S))
    revocations = Revocations(pool, bus.transaction)
    await revocations.refresh()
    process.background.start("revocations", work_loop(revocations.refresh, Wake(), revocation.EVERY_S))
    issuer = TokenIssuer(keys, settings.token_issuer)
    gateway = Gateway(
        settings=settings,
        bus=bus,
        issuer=issuer,
        verifier=TokenVerifier(keys, settings.token_issuer, AUDIENCE),
        sessions=Sessions(bus.transaction, issuer, revocations),
        revocations=revocations,
        uploads=Uploads(bus.transaction),
        intake=_intake(settings, bus),
        jobs=Jobs(pool, waiters),
        templates=Templates(bus),
        doorbell=doorbell,
    )
    serve_all(process.app, gateway)
    process.app.on_shutdown.append(partial(_end_waiting, waiters))


def _intake(settings: Settings, bus: Bus) -> Intake:
    longest_wait_s = min(settings.longest_wait_s, settings.job_deadline_s)
    admission = Admission(Pace(), longest_wait_s, lambda: bus.overdue.is_stalled)
    return Intake(bus.transaction, admission, settings.consent_version, settings.job_deadline_s)


async def _end_waiting(waiters: Waiters, _app: web.Application) -> None:
    waiters.close()


async def _prices_check(pool: Pool) -> str | None:
    async with pool.acquire() as conn:
        return None if await read_prices(conn) else "no price book is known yet"
