"""The read model: every fact about jobs, balances, prices and the vendor's capacity, as it comes."""

from functools import partial

from closet_contracts.credit import CreditBalanceChanged, CreditPricesPublished
from closet_contracts.envelope import Event
from closet_contracts.ownership import owner_of
from closet_contracts.render import RenderCapacityChanged
from closet_messaging.transaction import Tx

from kiosk_gateway.domain.jobs import JobFact, change_of
from kiosk_gateway.handlers.waiting import Doorbell
from kiosk_gateway.store import money
from kiosk_gateway.store.capacity import put_capacity
from kiosk_gateway.store.projection import apply


async def project_job(doorbell: Doorbell, tx: Tx, event: Event[JobFact]) -> None:
    """Change the job as the fact says, add it to the timeline, and wake whoever waits for it."""
    job_id = event.data.job_id
    apply(tx, job_id, event.type, owner_of(event.type), event.time, change_of(event.data))
    tx.after_commit(partial(doorbell.changed, job_id))


async def project_balance(tx: Tx, event: Event[CreditBalanceChanged]) -> None:
    """Keep the account's balance, unless a newer one is known."""
    money.put_balance(tx, event)


async def project_prices(tx: Tx, event: Event[CreditPricesPublished]) -> None:
    """Keep the price book."""
    await money.put_prices(tx.conn, event.data.book, event.data.effective_from)


async def project_capacity(tx: Tx, event: Event[RenderCapacityChanged]) -> None:
    """Keep what the vendor can make, unless something measured later is known."""
    put_capacity(tx, event)
