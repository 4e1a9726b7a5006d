"""Closet's Python SDK. The `closet` command lives in `closet_client.cli` and is imported only by itself."""

from closet_contracts.work import Category, Size

from closet_client.client import ClosetClient
from closet_client.errors import ApiProblem, ClosetError, NotAPicture, TransferFailed, Unreachable
from closet_client.models import (
    Balance,
    Consent,
    Cost,
    CreatedJob,
    Estimate,
    Job,
    JobEvent,
    JobPage,
    JobStatus,
    UploadTicket,
)
from closet_client.retries import RetryPolicy
from closet_client.tokens import ApiKey, Session
from closet_client.transfer import Downloaded

__all__ = [
    "ApiKey",
    "ApiProblem",
    "Balance",
    "Category",
    "ClosetClient",
    "ClosetError",
    "Consent",
    "Cost",
    "CreatedJob",
    "Downloaded",
    "Estimate",
    "Job",
    "JobEvent",
    "JobPage",
    "JobStatus",
    "NotAPicture",
    "RetryPolicy",
    "Session",
    "Size",
    "TransferFailed",
    "Unreachable",
    "UploadTicket",
]
