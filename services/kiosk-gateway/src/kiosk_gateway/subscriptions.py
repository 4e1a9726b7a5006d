"""The table: event -> what handles it."""

from collections.abc import Mapping
from functools import partial
from typing import get_args

from closet_contracts.credit import CreditBalanceChanged, CreditPricesPublished
from closet_contracts.envelope import EventData
from closet_contracts.render import RenderCapacityChanged
from closet_messaging.inbox import Handler

from kiosk_gateway.domain.jobs import JobFact
from kiosk_gateway.handlers.projection import project_balance, project_capacity, project_job, project_prices
from kiosk_gateway.handlers.waiting import Doorbell


def subscriptions(doorbell: Doorbell) -> Mapping[type[EventData], Handler]:
    """Every event that this service takes: all that can happen to a job, balances, prices, capacity."""
    return {
        **dict.fromkeys(get_args(JobFact), partial(project_job, doorbell)),
        CreditBalanceChanged: project_balance,
        CreditPricesPublished: project_prices,
        RenderCapacityChanged: project_capacity,
    }
