"""`python -m kiosk_gateway recover`: restore jobs and consents from own events, the rest from others' events."""

from collections.abc import Sequence

from closet_contracts.envelope import Event
from closet_contracts.generation import GenerationCancelRequested, GenerationRequested
from closet_contracts.ownership import Service
from closet_contracts.person import PersonConsentGiven, PersonConsentWithdrawn
from closet_contracts.work import tasks_of
from closet_messaging.transaction import Tx
from closet_recovery.command import parser, run
from closet_recovery.recovery import Plan

from kiosk_gateway.domain.jobs import Change
from kiosk_gateway.handlers.projection import JobChangeNotifier, JobWatchers
from kiosk_gateway.settings import Settings
from kiosk_gateway.store import intake, jobs, recovery
from kiosk_gateway.store.projection import apply_change
from kiosk_gateway.subscriptions import subscriptions


def main(arguments: Sequence[str]) -> int:
    """Recover; see `closet_recovery.command.run`."""
    return run(Settings, "kiosk_gateway", plan, parser("kiosk_gateway").parse_args(arguments))


def plan(_settings: Settings) -> Plan:
    """Return how this service recovers."""
    return Plan(
        service=Service.KIOSK_GATEWAY,
        handlers=subscriptions(JobChangeNotifier(JobWatchers())),
        facts={
            GenerationRequested: _request,
            GenerationCancelRequested: _cancel,
            PersonConsentGiven: _consent,
            PersonConsentWithdrawn: _withdraw,
        },
    )


async def _request(tx: Tx, event: Event[GenerationRequested]) -> None:
    data = event.data
    if await recovery.has_job(tx.conn, data.job_id):
        return
    job = intake.NewJob(
        job_id=data.job_id,
        tenant=event.tenantid,
        user=data.user_id,
        kind=data.work.kind,
        priority=data.priority,
        items=len(tasks_of(data.work)),
        credits=data.price.credits,
        usd_cents=data.price.usd_cents,
        created_at=event.time,
        deadline=data.deadline,
        inputs=data.inputs,
    )
    await intake.add_jobs(tx.conn, [job], event.type, Service.KIOSK_GATEWAY)
    await recovery.put_uploads(tx.conn, [each.upload_id for each in data.inputs], event.tenantid, data.user_id)


async def _cancel(tx: Tx, event: Event[GenerationCancelRequested]) -> None:
    await jobs.record_cancel(tx.conn, event.data.job_id, event.tenantid, event.data.user_id)
    apply_change(tx, event.data.job_id, event.type, Service.KIOSK_GATEWAY, event.time, Change())


async def _consent(tx: Tx, event: Event[PersonConsentGiven]) -> None:
    data = event.data
    await recovery.give_consent(tx.conn, event.tenantid, data.user_id, data.consent_version, data.given_at)


async def _withdraw(tx: Tx, event: Event[PersonConsentWithdrawn]) -> None:
    await recovery.withdraw_consent(tx.conn, event.tenantid, event.data.user_id, event.data.withdrawn_at)
