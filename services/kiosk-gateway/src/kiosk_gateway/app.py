"""The composition root: opens the resources and wires the service."""

from functools import partial

from aiohttp import web
from closet_chassis.auth import TokenIssuer, TokenVerifier, load_keys
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import Pool, open_pool, pool_check, prepare
from closet_chassis.worker import Wake, work_loop
from closet_contracts.ownership import Service
from closet_messaging.bus import Bus, open_bus

from kiosk_gateway.domain.access import AUDIENCE
from kiosk_gateway.handlers.admission import Admission, DurationEstimator
from kiosk_gateway.handlers.billing import Billing
from kiosk_gateway.handlers.consents import Consents
from kiosk_gateway.handlers.intake import Intake
from kiosk_gateway.handlers.jobs import Cancellations, Jobs, ResultUrls
from kiosk_gateway.handlers.overdue import OVERDUE_INTERVAL_S, expire_overdue
from kiosk_gateway.handlers.projection import JobChangeNotifier, JobWatchers
from kiosk_gateway.handlers.revocation import REFRESH_INTERVAL_S, Revocations
from kiosk_gateway.handlers.sessions import Sessions
from kiosk_gateway.handlers.templates import Templates
from kiosk_gateway.handlers.uploads import Uploads, UploadUrls
from kiosk_gateway.http.billing import BillingEndpoints
from kiosk_gateway.http.consent import ConsentEndpoints
from kiosk_gateway.http.docs import DocsEndpoints, add_assets
from kiosk_gateway.http.events import EventEndpoints
from kiosk_gateway.http.generation import GenerationEndpoints
from kiosk_gateway.http.jobs import JobEndpoints
from kiosk_gateway.http.openapi import document
from kiosk_gateway.http.route import Authenticator, Route, serve
from kiosk_gateway.http.routes import ROUTES, routes
from kiosk_gateway.http.tokens import TokenEndpoints
from kiosk_gateway.http.uploads import UploadEndpoints
from kiosk_gateway.settings import Settings
from kiosk_gateway.store.intake import read_prices
from kiosk_gateway.subscriptions import subscriptions
from kiosk_gateway.worker import PURGE_INTERVAL_S, purge_expired

JOB_CHANGES = "jobs"  # the name of the notification, the same in every release


async def build(process: Process[Settings]) -> None:
    """Open the resources, start the workers and serve the routes; all ends in reverse order."""
    settings = process.settings
    keys = load_keys(settings.token_key_file)
    await prepare(settings, "closet_messaging", "kiosk_gateway")
    pool = await process.stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    process.readiness.add("prices", partial(_prices_check, pool))
    watchers = JobWatchers()
    notifier = JobChangeNotifier(watchers)
    bus = await process.stack.enter_async_context(
        open_bus(process, Service.KIOSK_GATEWAY, pool, subscriptions(notifier))
    )
    await bus.subscribe(JOB_CHANGES, notifier.on_notification)
    revocations = Revocations(pool, bus.transaction)
    await revocations.refresh()
    _start_workers(process, bus, notifier, revocations)
    issuer = TokenIssuer(keys, settings.token_issuer)
    table = _routes(settings, bus, issuer, revocations, Jobs(pool, watchers), notifier)
    verifier = TokenVerifier(keys, settings.token_issuer, AUDIENCE)
    serve(process.app, table, Authenticator(verifier, revocations))
    add_assets(process.app)
    process.app.on_shutdown.append(partial(_close_watchers, watchers))


def _start_workers(process: Process[Settings], bus: Bus, notifier: JobChangeNotifier, revocations: Revocations) -> None:
    start = process.background.start
    start("job-changes", notifier.run(partial(bus.notify, JOB_CHANGES)))
    start("purge", work_loop(partial(purge_expired, bus.pool), Wake(), PURGE_INTERVAL_S))
    expire = partial(expire_overdue, bus.transaction, notifier, process.settings.job_overdue_s)
    start("overdue", work_loop(expire, Wake(), OVERDUE_INTERVAL_S))
    start("revocations", work_loop(revocations.refresh, Wake(), REFRESH_INTERVAL_S))


def _routes(  # noqa: PLR0913, PLR0917  what the endpoints share
    settings: Settings,
    bus: Bus,
    issuer: TokenIssuer,
    revocations: Revocations,
    jobs: Jobs,
    notifier: JobChangeNotifier,
) -> tuple[Route, ...]:
    billing = Billing(bus, bus.pool)
    return routes(
        token_endpoints=TokenEndpoints(Sessions(bus.transaction, issuer, revocations), revocations, issuer),
        consent_endpoints=ConsentEndpoints(Consents(bus.transaction, bus.pool, settings.consent_version)),
        upload_endpoints=UploadEndpoints(UploadUrls(Uploads(bus.transaction), bus)),
        generation_endpoints=GenerationEndpoints(_intake(settings, bus), Templates(bus), billing, settings.public_url),
        job_endpoints=JobEndpoints(
            jobs, Cancellations(bus.transaction, notifier), ResultUrls(bus), revocations, settings.public_url
        ),
        event_endpoints=EventEndpoints(jobs, revocations),
        billing_endpoints=BillingEndpoints(billing),
        docs_endpoints=DocsEndpoints(document(ROUTES)),
    )


def _intake(settings: Settings, bus: Bus) -> Intake:
    longest_wait_s = min(settings.longest_wait_s, settings.job_deadline_s)
    admission = Admission(DurationEstimator(), longest_wait_s, lambda: bus.overdue.is_stalled)
    return Intake(bus.transaction, admission, settings.consent_version, settings.job_deadline_s)


async def _close_watchers(watchers: JobWatchers, _app: web.Application) -> None:
    watchers.close()


async def _prices_check(pool: Pool) -> str | None:
    async with pool.acquire() as conn:
        return None if await read_prices(conn) else "no price book has been received yet"
