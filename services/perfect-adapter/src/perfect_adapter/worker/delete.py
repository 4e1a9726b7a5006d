"""Deleting the vendor's copies, where a tenant's policy asks for it: after a task has ended, with calls to spare."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from closet_chassis.leased_work import Claimed
from closet_messaging.transaction import Begin
from prometheus_client import Counter

from perfect_adapter.domain.keys import is_about_the_key
from perfect_adapter.domain.renders import retry_s
from perfect_adapter.ports import Deleted, Refused, Vendor
from perfect_adapter.store import deletions
from perfect_adapter.store.deletions import Deletion
from perfect_adapter.worker.line import Called, Line

log = structlog.get_logger(__name__)

DELETED = Counter("closet_vendor_copies_total", "The vendor's copies that were to be deleted", ["outcome"])
MAX_TRIES = 10
MAX_TRIES_WHILE_IT_RUNS = 120  # an hour: no task takes longer


EVERY_S = 2.0
_AT_ONCE = 100
_RUNNING_S = 30.0
"""A task that has not ended cannot be deleted: it is asked for again after so many seconds."""


@dataclass(eq=False)
class CopyPlanner:
    """A step of `work_loop`: has the copies deleted of tasks that gave us nothing, because they failed or were dropped.

    `deletes` tells of whose pictures copies are deleted, and `deleting` is called when there is one to delete.
    """

    begin: Begin
    deletes: Callable[[str], bool]
    deleting: Callable[[], None]

    async def step(self) -> bool:
        """Plan a bounded number of deletions; may there be more?"""
        async with self.begin() as tx:
            found = await deletions.unsettled(tx.conn, _AT_ONCE)
            if wanted := [(task_id, key) for tenant_id, task_id, key in found if self.deletes(tenant_id)]:
                await deletions.add(tx.conn, wanted)
                tx.after_commit(self.deleting)
        return len(found) == _AT_ONCE


@dataclass(frozen=True, slots=True)
class Claim:
    """A task to be deleted, and the call that is charged for it."""

    deletion: Deletion
    call_id: int


@dataclass(eq=False)
class Deleter:
    """The lane of deletions."""

    line: Line
    vendor: Vendor

    async def claim(self, limit: int) -> Claimed[Claim]:
        """Take what is next, and charge the calls."""
        async with self.line.begin() as tx:
            due = await deletions.due(tx.conn, list(self.line.ring.keys), limit)
            if not due:
                return Claimed(())
            admitted, wait_s = await self.line.admit(tx, [key for _, key in due])
            allowed = [task_id for (task_id, _), ok in zip(due, admitted, strict=True) if ok]
            taken = await deletions.take(tx.conn, allowed, self.line.lease_s)
            call_ids = await self.line.charge(tx, "delete", [(one.key, None) for one in taken])
        claims = [Claim(one, call_id) for one, call_id in zip(taken, call_ids, strict=True)]
        return Claimed(claims, None if all(admitted) else wait_s)

    async def renew(self, claims: Sequence[Claim]) -> None:
        """A deletion is one short call, and safe to repeat: its lease may end."""

    async def work(self, claim: Claim) -> None:
        """Delete it; one that is gone already is fine."""
        task_id, tries = claim.deletion.task_id, claim.deletion.tries
        answer = await self.vendor.delete(self.line.key(claim.deletion.key), task_id)
        most = MAX_TRIES_WHILE_IT_RUNS if _is_running(answer) else MAX_TRIES
        final = isinstance(answer, Deleted) or _is_final(answer) or tries >= most
        if final:
            outcome = "deleted" if isinstance(answer, Deleted) else "not_deleted"
            DELETED.labels(outcome).inc()
            log.info("vendor_copy", task_id=task_id, outcome=outcome)
        async with self.line.begin() as tx:
            await self.line.settle(tx, [Called(claim.call_id, claim.deletion.key, answer)])
            if final:
                await deletions.done(tx.conn, task_id)
            else:
                await deletions.later(tx.conn, task_id, _RUNNING_S if _is_running(answer) else retry_s(tries))


def _is_final(answer: object) -> bool:
    """It cannot be deleted, now or ever."""
    refused = isinstance(answer, Refused) and not is_about_the_key(answer.status, answer.code)
    return refused and not _is_running(answer)


def _is_running(answer: object) -> bool:
    return isinstance(answer, Refused) and answer.code == "OperationInvalid"
