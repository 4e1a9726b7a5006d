"""Closet's Python SDK. The `closet` command lives in `closet_client.cli` and is imported only by itself."""

from closet_contracts.rpc import Template, TemplatePage
from closet_contracts.work import Category, Concern, Size, Style

from closet_client import items
from closet_client.client import ClosetClient
from closet_client.errors import ApiProblem, ClosetError, NotAPicture, TransferFailed, Unreachable
from closet_client.models import (
    Balance,
    Consent,
    Cost,
    CreatedJob,
    Estimate,
    Failure,
    Job,
    JobEvent,
    JobPage,
    JobStatus,
    Result,
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
    "Concern",
    "Consent",
    "Cost",
    "CreatedJob",
    "Downloaded",
    "Estimate",
    "Failure",
    "Job",
    "JobEvent",
    "JobPage",
    "JobStatus",
    "NotAPicture",
    "Result",
    "RetryPolicy",
    "Session",
    "Size",
    "Style",
    "Template",
    "TemplatePage",
    "TransferFailed",
    "Unreachable",
    "UploadTicket",
    "items",
]
