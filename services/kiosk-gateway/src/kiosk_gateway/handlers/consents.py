"""Give and withdraw consent. Repeating either changes nothing and emits no event."""

from collections.abc import Callable

from closet_chassis.postgres import Pool
from closet_contracts.person import PersonConsentGiven, PersonConsentWithdrawn
from closet_messaging import outbox
from closet_messaging.transaction import Begin, Tx

from kiosk_gateway.domain.access import Caller
from kiosk_gateway.handlers.idempotency import once
from kiosk_gateway.store import consents as store
from kiosk_gateway.store.consents import ConsentRecord
from kiosk_gateway.store.idempotency import Answer, Key


class Consents:
    """The consents of persons to the current version of the terms."""

    def __init__(self, begin: Begin, pool: Pool, version: str) -> None:
        self._begin = begin
        self._pool = pool
        self.version = version

    async def read(self, caller: Caller) -> ConsentRecord | None:
        """Return the caller's consent, None if they never gave one."""
        async with self._pool.acquire() as conn:
            return await store.read(conn, caller.tenant, caller.user)

    async def change(
        self, caller: Caller, key: Key | None, to_answer: Callable[[ConsentRecord | None], Answer], *, given: bool
    ) -> Answer:
        """Give or withdraw the caller's consent once per key; return the result as `to_answer` shows it.

        Raises:
            Problem: the key was used for a different request.
        """

        async def act(tx: Tx) -> Answer:
            return to_answer(await (give(tx, caller, self.version) if given else withdraw(tx, caller)))

        return await once(self._begin, key, act)


def is_valid(consent: ConsentRecord | None, version: str) -> bool:
    """Return whether the person consents to this version of the terms."""
    return consent is not None and consent.withdrawn_at is None and consent.version == version


async def give(tx: Tx, caller: Caller, version: str) -> ConsentRecord:
    """Record that the person consents to this version of the terms."""
    consent = await store.read(tx.conn, caller.tenant, caller.user)
    if consent is not None and is_valid(consent, version):
        return consent
    consent = await store.give(tx.conn, caller.tenant, caller.user, version)
    fact = PersonConsentGiven(user_id=caller.user, consent_version=version, given_at=consent.given_at)
    outbox.add(tx, fact, tenant=caller.tenant)
    return consent


async def withdraw(tx: Tx, caller: Caller) -> ConsentRecord | None:
    """Record that the person withdraws consent; work that has not reached the vendor will be cancelled."""
    consent = await store.withdraw(tx.conn, caller.tenant, caller.user)
    if consent is None or consent.withdrawn_at is None:
        return await store.read(tx.conn, caller.tenant, caller.user)
    fact = PersonConsentWithdrawn(user_id=caller.user, withdrawn_at=consent.withdrawn_at)
    outbox.add(tx, fact, tenant=caller.tenant)
    return consent
