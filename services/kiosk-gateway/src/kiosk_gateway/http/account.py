"""Consent, and the tenant's balance."""

from typing import Any

from aiohttp import web
from closet_chassis.http import read_model, reply
from closet_messaging.unit import Tx

from kiosk_gateway.domain.access import account_of
from kiosk_gateway.domain.refusals import UNKNOWN_CONSENT_VERSION
from kiosk_gateway.handlers import consents
from kiosk_gateway.handlers.idempotency import once
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.http.context import CALLER, GATEWAY, idempotency_key
from kiosk_gateway.http.models import Balance, Consent, ConsentRequest
from kiosk_gateway.store import consents as store
from kiosk_gateway.store.money import read_balance

_PRIVATE = {"Cache-Control": "private, no-store"}


async def post_consent(request: web.Request) -> web.StreamResponse:
    """POST /consent."""
    body = await read_model(request, ConsentRequest)
    gateway, caller = request.app[GATEWAY], request[CALLER]
    version = gateway.settings.consent_version
    if body.given and body.version not in {None, version}:
        raise refuse(UNKNOWN_CONSENT_VERSION)

    async def act(tx: Tx) -> dict[str, Any]:
        consent = await (consents.give(tx, caller, version) if body.given else consents.withdraw(tx, caller))
        return _consent(consent, version).model_dump(mode="json")

    answer = await once(gateway.bus.transaction, idempotency_key(request, body), act)
    return reply(answer, headers=_PRIVATE)


async def get_consent(request: web.Request) -> web.StreamResponse:
    """GET /consent."""
    gateway, caller = request.app[GATEWAY], request[CALLER]
    async with gateway.bus.pool.acquire() as conn:
        consent = await store.read(conn, caller.tenant, caller.user)
    return reply(_consent(consent, gateway.settings.consent_version), headers=_PRIVATE)


async def get_balance(request: web.Request) -> web.StreamResponse:
    """GET /billing/balance."""
    account = account_of(request[CALLER].tenant)
    async with request.app[GATEWAY].bus.pool.acquire() as conn:
        known = await read_balance(conn, account)
    balance = Balance(
        account_id=account,
        balance=known.balance if known else 0,
        held=known.held if known else 0,
        available=known.available if known else 0,
        updated_at=known.updated_at if known else None,
    )
    return reply(balance, headers=_PRIVATE)


def _consent(consent: store.Consent | None, version: str) -> Consent:
    return Consent(
        given=consents.stands(consent, version),
        version=consent.version if consent else None,
        given_at=consent.given_at if consent else None,
        withdrawn_at=consent.withdrawn_at if consent else None,
        current_version=version,
    )
