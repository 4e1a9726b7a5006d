"""Giving and taking back consent. Repeating either changes nothing and tells nobody."""

from closet_contracts.person import PersonConsentGiven, PersonConsentWithdrawn
from closet_messaging import outbox
from closet_messaging.transaction import Tx

from kiosk_gateway.domain.access import Caller
from kiosk_gateway.store import consents as store
from kiosk_gateway.store.consents import Consent


def stands(consent: Consent | None, version: str) -> bool:
    """Whether the person consents to this version of the terms."""
    return consent is not None and consent.withdrawn_at is None and consent.version == version


async def give(tx: Tx, caller: Caller, version: str) -> Consent:
    """The person agrees to this version of the terms."""
    consent = await store.read(tx.conn, caller.tenant, caller.user)
    if consent is not None and stands(consent, version):
        return consent
    consent = await store.give(tx.conn, caller.tenant, caller.user, version)
    fact = PersonConsentGiven(user_id=caller.user, consent_version=version, given_at=consent.given_at)
    outbox.add(tx, fact, tenant=caller.tenant)
    return consent


async def withdraw(tx: Tx, caller: Caller) -> Consent | None:
    """The person takes their consent back; work that has not reached the vendor will stop."""
    consent = await store.withdraw(tx.conn, caller.tenant, caller.user)
    if consent is None or consent.withdrawn_at is None:
        return await store.read(tx.conn, caller.tenant, caller.user)
    fact = PersonConsentWithdrawn(user_id=caller.user, withdrawn_at=consent.withdrawn_at)
    outbox.add(tx, fact, tenant=caller.tenant)
    return consent
