"""The table: event -> handler."""

from collections.abc import Callable, Mapping
from functools import partial

from closet_contracts.credit import CreditDenied, CreditHeld
from closet_contracts.envelope import EventData
from closet_contracts.generation import GenerationCancelRequested, GenerationRequested
from closet_contracts.person import PersonConsentWithdrawn
from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded
from closet_contracts.upload import UploadReady, UploadRejected
from closet_messaging.inbox import Handler

from job_orchestrator.handlers import events
from job_orchestrator.settings import Settings


def subscriptions(settings: Settings, wake: Callable[[], None]) -> Mapping[type[EventData], Handler]:
    """Return the handler of each event; `wake` is called when there may be jobs to stop."""
    return {
        GenerationRequested: partial(events.accept_job, settings.max_job_retries),
        GenerationCancelRequested: events.cancel_job,
        PersonConsentWithdrawn: partial(events.withdraw_consent, wake),
        UploadReady: events.mark_input_ready,
        UploadRejected: events.mark_input_rejected,
        CreditHeld: events.mark_credits_held,
        CreditDenied: events.mark_credits_denied,
        RenderStarted: events.mark_attempt_started,
        RenderSucceeded: events.mark_attempt_succeeded,
        RenderFailed: events.mark_attempt_failed,
    }
