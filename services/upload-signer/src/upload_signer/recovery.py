"""`python -m upload_signer recover`: restore the results of checks from the events that the service emitted."""

from collections.abc import Sequence

from closet_contracts.envelope import Event
from closet_contracts.ownership import Service
from closet_contracts.upload import UploadReady, UploadRejected
from closet_messaging.transaction import Tx
from closet_recovery.command import parser, run
from closet_recovery.recovery import Plan

from upload_signer import domain, store
from upload_signer.domain import Owner, Rejection, State
from upload_signer.settings import Settings
from upload_signer.store import WaitingJob
from upload_signer.subscriptions import subscriptions

_JOB_SPECIFIC = frozenset(rejection.code for rejection in (domain.NOT_FOUND, domain.MISSING, domain.MASK_DOES_NOT_FIT))
"""Codes of rejections that do not hold for another job, or for a later one."""


def main(arguments: Sequence[str]) -> int:
    """Recover; see `closet_recovery.command.run`."""
    return run(Settings, "upload_signer", plan, parser("upload_signer").parse_args(arguments))


def plan(_settings: Settings) -> Plan:
    """Return how this service recovers."""
    return Plan(
        service=Service.UPLOAD_SIGNER,
        handlers=subscriptions(lambda: None),
        facts={UploadReady: _settle, UploadRejected: _settle},
    )


async def _settle(tx: Tx, event: Event[UploadReady | UploadRejected]) -> None:
    """Settle the upload as the event says, and end the job's wait for it."""
    data = event.data
    owner = Owner(event.tenantid, data.user_id)
    known = (await store.find(tx.conn, [data.upload_id])).get(data.upload_id)
    if known is not None and known.owner == owner and known.state is State.UNCHECKED:
        if isinstance(data, UploadReady):
            await store.mark_ready(tx.conn, {data.upload_id: data.asset})
        elif data.code not in _JOB_SPECIFIC:
            await store.mark_rejected(tx.conn, {data.upload_id: Rejection(data.code, data.message)})
    waiting = WaitingJob(data.upload_id, data.job_id, owner, event.id, event.traceparent)
    await store.delete_waiting_jobs(tx.conn, [waiting])
