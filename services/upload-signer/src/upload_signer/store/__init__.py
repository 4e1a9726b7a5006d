"""SQL. Every function takes the connection of the transaction that it is part of."""

from upload_signer.store.checks import Check, ClaimRequest, claim, lock_leases, renew, retry
from upload_signer.store.raw_uploads import (
    PutUrl,
    delete_put_urls,
    list_due_put_urls,
    list_undeleted_raw,
    mark_raw_deleted,
    schedule_put_url_cleanup,
    upsert_put_urls,
)
from upload_signer.store.uploads import Upload, delete_uploads, find, mark_ready, mark_rejected, upsert_pending
from upload_signer.store.waiting_jobs import ADD_WAITING_JOB, WaitingJob, delete_waiting_jobs, lock_waiting_jobs

__all__ = [
    "ADD_WAITING_JOB",
    "Check",
    "ClaimRequest",
    "PutUrl",
    "Upload",
    "WaitingJob",
    "claim",
    "delete_put_urls",
    "delete_uploads",
    "delete_waiting_jobs",
    "find",
    "list_due_put_urls",
    "list_undeleted_raw",
    "lock_leases",
    "lock_waiting_jobs",
    "mark_raw_deleted",
    "mark_ready",
    "mark_rejected",
    "renew",
    "retry",
    "schedule_put_url_cleanup",
    "upsert_pending",
    "upsert_put_urls",
]
