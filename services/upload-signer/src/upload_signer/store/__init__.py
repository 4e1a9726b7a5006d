"""The SQL. Every function takes the connection of the transaction it is part of."""

from upload_signer.store.checks import Check, Claim, claim, hold, renew, retry
from upload_signer.store.leftovers import (
    PutUrl,
    due_put_urls,
    end_put_urls,
    forget_put_urls,
    raw_gone,
    raw_left,
    remember_put_urls,
)
from upload_signer.store.uploads import Upload, find, forget, mark_ready, mark_rejected, want
from upload_signer.store.waiting import WAIT, Waiting, lock_waiting, stop_waiting

__all__ = [
    "WAIT",
    "Check",
    "Claim",
    "PutUrl",
    "Upload",
    "Waiting",
    "claim",
    "due_put_urls",
    "end_put_urls",
    "find",
    "forget",
    "forget_put_urls",
    "hold",
    "lock_waiting",
    "mark_ready",
    "mark_rejected",
    "raw_gone",
    "raw_left",
    "remember_put_urls",
    "renew",
    "retry",
    "stop_waiting",
    "want",
]
