"""The table: event -> what handles it."""

from collections.abc import Callable, Mapping
from functools import partial

from closet_contracts.envelope import EventData
from closet_contracts.job import JobCancelled, JobDispatched, JobExpired, JobStopRequested
from closet_messaging.inbox import Handler

from perfect_adapter import handlers
from perfect_adapter.domain.features import Options


def subscriptions(options: Options, wake: Callable[[], None]) -> Mapping[type[EventData], Handler]:
    """Every event that this service takes; `wake` is called when there is something to submit."""
    return {
        JobDispatched: partial(handlers.begin_render, options, wake),
        JobStopRequested: handlers.stop_job,
        JobCancelled: handlers.end_job,
        JobExpired: handlers.end_job,
    }
