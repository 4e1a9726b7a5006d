"""The table: event -> what handles it."""

from collections.abc import Mapping
from functools import partial

from closet_contracts.envelope import EventData
from closet_contracts.job import JobAccepted, JobCancelled, JobCompleted, JobExpired, JobFailed
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_messaging.inbox import Handler

from billing_meter.handlers import holds
from billing_meter.settings import Settings
from billing_meter.store.prices import PriceBooks


def subscriptions(settings: Settings, books: PriceBooks) -> Mapping[type[EventData], Handler]:
    """Every event that this service takes."""
    return {
        JobAccepted: partial(holds.hold_credits, books, settings.hold_ttl),
        JobCompleted: partial(holds.capture_credits, metered=bool(settings.stripe_key)),
        JobFailed: holds.release_credits,
        JobCancelled: partial(holds.settle_cancelled, metered=bool(settings.stripe_key)),
        JobExpired: holds.release_credits,
        RenderSucceeded: holds.keep_render,
        RenderFailed: holds.keep_render,
    }
