"""The table: event -> what handles it."""

from collections.abc import Mapping
from functools import partial

from closet_contracts.credit import CreditDenied, CreditHeld
from closet_contracts.envelope import EventData
from closet_contracts.generation import GenerationCancelRequested, GenerationRequested
from closet_contracts.person import PersonConsentWithdrawn
from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded
from closet_contracts.upload import UploadReady, UploadRejected
from closet_messaging.consumer import Handler

from job_orchestrator import handlers
from job_orchestrator.settings import Settings


def subscriptions(settings: Settings) -> Mapping[type[EventData], Handler]:
    """Every event that this service takes."""
    return {
        GenerationRequested: partial(handlers.accept_job, settings.max_job_retries),
        GenerationCancelRequested: handlers.cancel_job,
        PersonConsentWithdrawn: handlers.withdraw_consent,
        UploadReady: handlers.input_ready,
        UploadRejected: handlers.input_rejected,
        CreditHeld: handlers.credits_held,
        CreditDenied: handlers.credits_denied,
        RenderStarted: handlers.attempt_started,
        RenderSucceeded: handlers.attempt_succeeded,
        RenderFailed: handlers.attempt_failed,
    }
