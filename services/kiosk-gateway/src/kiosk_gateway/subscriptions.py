"""The table: event -> handler."""

from collections.abc import Mapping
from functools import partial
from typing import get_args

from closet_contracts.credit import CreditBalanceChanged, CreditPricesPublished
from closet_contracts.envelope import EventData
from closet_contracts.render import RenderCapacityChanged
from closet_messaging.inbox import Handler

from kiosk_gateway.domain.jobs import JobFact
from kiosk_gateway.handlers.projection import (
    JobChangeNotifier,
    project_balance,
    project_capacity,
    project_job,
    project_prices,
)


def subscriptions(notifier: JobChangeNotifier) -> Mapping[type[EventData], Handler]:
    """Return the handlers: of every fact about a job, of balances, prices and the vendor's capacity."""
    return {
        **dict.fromkeys(get_args(JobFact), partial(project_job, notifier)),
        CreditBalanceChanged: project_balance,
        CreditPricesPublished: project_prices,
        RenderCapacityChanged: project_capacity,
    }
