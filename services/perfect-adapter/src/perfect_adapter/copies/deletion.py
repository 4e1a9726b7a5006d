"""Deletion of the vendor's copies after a task has ended, where a tenant's policy asks for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from closet_chassis.leased_work import Claimed
from closet_messaging.transaction import Begin
from prometheus_client import Counter

from perfect_adapter.copies import store
from perfect_adapter.copies.store import Deletion
from perfect_adapter.quota.backoff import Backoff
from perfect_adapter.quota.gate import CompletedCall, QuotaGate
from perfect_adapter.vendor.answers import Deleted, Refused
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.keys import is_about_the_key

log = structlog.get_logger(__name__)

DELETED = Counter("closet_vendor_copies_total", "Deletions of the vendor's copies, by outcome", ["outcome"])
MAX_TRIES = 10
MAX_TRIES_WHILE_RUNNING = 120  # an hour: no task takes longer


EVERY_S = 2.0
_AT_ONCE = 100
_RETRY = Backoff(0.5, 30.0)
_RUNNING_S = 30.0
"""Seconds until the next try: a task that has not ended cannot be deleted."""


@dataclass(eq=False)
class CopyPlanner:
    """A step of `work_loop`: plans the deletion of copies of tasks without a result, which failed or were dropped.

    `should_delete_copies` tells of which tenants; `on_copy_to_delete` is called when there is one to delete.
    """

    begin: Begin
    should_delete_copies: Callable[[str], bool]
    on_copy_to_delete: Callable[[], None]

    async def step(self) -> bool:
        """Plan a bounded number of deletions, and return whether there may be more."""
        async with self.begin() as tx:
            found = await store.settle_ended(tx.conn, _AT_ONCE)
            if wanted := [(task_id, key) for tenant_id, task_id, key in found if self.should_delete_copies(tenant_id)]:
                await store.add(tx.conn, wanted)
                tx.after_commit(self.on_copy_to_delete)
        return len(found) == _AT_ONCE


@dataclass(frozen=True, slots=True)
class ClaimedDeletion:
    """A deletion, and the call charged for it."""

    deletion: Deletion
    call_id: int


@dataclass(eq=False)
class CopyDeleter:
    """The leased worker of deletions."""

    gate: QuotaGate
    vendor: VendorClient

    async def claim(self, limit: int) -> Claimed[ClaimedDeletion]:
        """Claim the deletions that are due, and charge the calls."""
        async with self.gate.begin() as tx:
            due = await store.find_due(tx.conn, list(self.gate.ring.keys), limit)
            if not due:
                return Claimed(())
            admitted, wait_s = await self.gate.admit(tx, [key for _, key in due])
            allowed = [task_id for (task_id, _), ok in zip(due, admitted, strict=True) if ok]
            taken = await store.take(tx.conn, allowed, self.gate.lease_s)
            call_ids = await self.gate.charge(tx, "delete", [(one.key, None) for one in taken])
        claims = [ClaimedDeletion(one, call_id) for one, call_id in zip(taken, call_ids, strict=True)]
        return Claimed(claims, None if all(admitted) else wait_s)

    async def renew(self, claims: Sequence[ClaimedDeletion]) -> None:
        """Do nothing: a deletion is one short call, safe to repeat, so its lease may expire."""

    async def work(self, claim: ClaimedDeletion) -> None:
        """Delete a copy; one that does not exist any more counts as done."""
        task_id, tries = claim.deletion.task_id, claim.deletion.tries
        answer = await self.vendor.delete(self.gate.key(claim.deletion.key), task_id)
        most = MAX_TRIES_WHILE_RUNNING if _is_running(answer) else MAX_TRIES
        final = isinstance(answer, Deleted) or _is_final(answer) or tries >= most
        if final:
            outcome = "deleted" if isinstance(answer, Deleted) else "not_deleted"
            DELETED.labels(outcome).inc()
            log.info("vendor_copy_deletion", task_id=task_id, outcome=outcome)
        async with self.gate.begin() as tx:
            await self.gate.settle(tx, [CompletedCall(claim.call_id, claim.deletion.key, answer)])
            if final:
                await store.remove(tx.conn, task_id)
            else:
                await store.reschedule(tx.conn, task_id, _RUNNING_S if _is_running(answer) else _RETRY.delay_s(tries))


def _is_final(answer: object) -> bool:
    """Return whether the refusal is definite."""
    refused = isinstance(answer, Refused) and not is_about_the_key(answer.status, answer.code)
    return refused and not _is_running(answer)


def _is_running(answer: object) -> bool:
    return isinstance(answer, Refused) and answer.code == "OperationInvalid"
