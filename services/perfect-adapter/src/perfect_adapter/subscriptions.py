"""The table: event -> handler."""

from collections.abc import Callable, Mapping
from functools import partial

from closet_contracts.envelope import EventData
from closet_contracts.job import JobCancelled, JobDispatched, JobExpired, JobStopRequested
from closet_messaging.inbox import Handler

from perfect_adapter.renders import handlers
from perfect_adapter.vendor.features import FeatureOptions


def subscriptions(options: FeatureOptions, on_render_queued: Callable[[], None]) -> Mapping[type[EventData], Handler]:
    """Return the handler of every event that this service consumes; `on_render_queued` is called after a dispatch."""
    return {
        JobDispatched: partial(handlers.enqueue_render, options, on_render_queued),
        JobStopRequested: handlers.stop_job,
        JobCancelled: handlers.end_job,
        JobExpired: handlers.end_job,
    }
