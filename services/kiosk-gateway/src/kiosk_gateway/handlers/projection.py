"""Project events into the read model, and notify the clients on every replica that watch a changed job."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog
from closet_chassis.worker import Wake
from closet_contracts.credit import CreditBalanceChanged, CreditPricesPublished
from closet_contracts.envelope import Event
from closet_contracts.ownership import owner_of
from closet_contracts.render import RenderCapacityChanged
from closet_messaging.transaction import Tx

from kiosk_gateway.domain.jobs import JobFact, change_of
from kiosk_gateway.store import projection as store

log = structlog.get_logger(__name__)

IDLE_S = 3600.0


class JobWatchers:
    """The requests on this replica that wait for changes of a job."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Wake]] = {}
        self.is_closed = False

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Wake]:
        """Yield what to wait on. Read the job after entering, wait, read again: no change is missed in between."""
        wake = Wake()
        watchers = self._watchers.setdefault(job_id, set())
        watchers.add(wake)
        try:
            yield wake
        finally:
            watchers.discard(wake)
            if not watchers:
                self._watchers.pop(job_id, None)

    def notify(self, job_ids: Iterable[str]) -> None:
        """Wake the watchers of these jobs."""
        for job_id in job_ids:
            for wake in self._watchers.get(job_id, ()):
                wake.set()

    def close(self) -> None:
        """Wake every watcher for the last time: the process stops."""
        self.is_closed = True
        self.notify(list(self._watchers))


class JobChangeNotifier:
    """Notifies all replicas of changed jobs, with one message for all changes committed since the last."""

    def __init__(self, watchers: JobWatchers) -> None:
        self._watchers = watchers
        self._changed: set[str] = set()
        self._wake = Wake()

    def mark_changed(self, job_id: str) -> None:
        """Include the job in the next message; call it after the commit."""
        self._changed.add(job_id)
        self._wake.set()

    def on_notification(self, payload: bytes) -> None:
        """Wake the watchers of the jobs that a replica, possibly this one, has changed."""
        self._watchers.notify(payload.decode().split())

    async def run(self, publish: Callable[[bytes], Awaitable[None]]) -> None:
        """Publish the changed jobs' ids whenever there are any, for ever."""
        while True:
            await self._wake.wait(IDLE_S)
            job_ids, self._changed = self._changed, set()
            self._watchers.notify(job_ids)
            await _publish(publish, " ".join(job_ids).encode())


async def _publish(publish: Callable[[bytes], Awaitable[None]], payload: bytes) -> None:
    if not payload:
        return
    try:
        await publish(payload)
    except Exception as error:  # noqa: BLE001  a notification may be lost for any reason: watchers also poll
        log.warning("job_notification_failed", error=type(error).__name__)


async def project_job(notifier: JobChangeNotifier, tx: Tx, event: Event[JobFact]) -> None:
    """Apply a fact to its job, add it to the timeline, and notify the job's watchers."""
    job_id = event.data.job_id
    store.apply_change(tx, job_id, event.type, owner_of(event.type), event.time, change_of(event.data))
    tx.after_commit(partial(notifier.mark_changed, job_id))


async def project_balance(tx: Tx, event: Event[CreditBalanceChanged]) -> None:
    """Store the account's balance unless a newer one is stored."""
    store.put_balance(tx, event)


async def project_prices(tx: Tx, event: Event[CreditPricesPublished]) -> None:
    """Store the price book."""
    await store.put_prices(tx.conn, event.data.book, event.data.effective_from)


async def project_capacity(tx: Tx, event: Event[RenderCapacityChanged]) -> None:
    """Store the vendor's capacity unless a later measurement is stored."""
    store.put_capacity(tx, event)
