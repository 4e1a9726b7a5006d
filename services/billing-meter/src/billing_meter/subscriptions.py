"""The table: event -> what handles it."""

from collections.abc import Mapping
from functools import partial

from closet_contracts.envelope import EventData
from closet_contracts.job import JobAccepted, JobCancelled, JobCompleted, JobExpired, JobFailed
from closet_messaging.consumer import Handler

from billing_meter import handlers
from billing_meter.settings import Settings
from billing_meter.store import PriceBooks


def subscriptions(settings: Settings, books: PriceBooks) -> Mapping[type[EventData], Handler]:
    """Every event that this service takes."""
    return {
        JobAccepted: partial(handlers.hold_credits, books, settings.hold_ttl),
        JobCompleted: handlers.capture_credits,
        JobFailed: handlers.release_credits,
        JobCancelled: handlers.release_credits,
        JobExpired: handlers.release_credits,
    }
