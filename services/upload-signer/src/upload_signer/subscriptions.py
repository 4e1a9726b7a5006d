"""The table: event -> handler."""

from collections.abc import Callable, Mapping
from functools import partial

from closet_contracts.envelope import EventData
from closet_contracts.job import JobAccepted
from closet_messaging.inbox import Handler

from upload_signer import handlers


def subscriptions(wake: Callable[[], None]) -> Mapping[type[EventData], Handler]:
    """Return the handler of each event; `wake` is called when there is something to check."""
    return {JobAccepted: partial(handlers.check_inputs, wake)}
