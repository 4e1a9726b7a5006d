"""Consent, and the tenant's balance and statement."""

from typing import Any

from aiohttp import web
from closet_chassis.http import read_model, read_query, reply
from closet_contracts import rpc
from closet_contracts.rpc import ReadStatement
from closet_messaging.rpc import RpcFailed
from closet_messaging.transaction import Tx

from kiosk_gateway.domain.access import account_of
from kiosk_gateway.domain.refusals import INVALID_CURSOR, INVALID_REQUEST, UNKNOWN_CONSENT_VERSION
from kiosk_gateway.handlers import consents
from kiosk_gateway.handlers.idempotency import once
from kiosk_gateway.handlers.refusing import ask, refuse
from kiosk_gateway.http.context import CALLER, GATEWAY, idempotency_key
from kiosk_gateway.http.models import Consent, ConsentRequest
from kiosk_gateway.http.money import Balance, Statement, StatementLine, StatementQuery
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


async def get_statement(request: web.Request) -> web.StreamResponse:
    """GET /billing/statement."""
    query = read_query(request, StatementQuery)
    if query.until <= query.since:
        raise refuse(INVALID_REQUEST, "The period has to end after it begins.")
    question = ReadStatement(
        account_id=account_of(request[CALLER].tenant),
        since=query.since,
        until=query.until,
        after=query.cursor,
        limit=query.limit,
    )
    try:
        found = await ask(request.app[GATEWAY].bus, question)
    except RpcFailed as error:
        if error.code == INVALID_CURSOR.code:
            raise refuse(INVALID_CURSOR) from error
        if error.code != "unknown_account":
            raise
        # Nothing was ever booked for this tenant.
        found = rpc.Statement(
            account_id=question.account_id, since=query.since, until=query.until, opening=0, closing=0, lines=()
        )
    return reply(_statement(found), headers=_PRIVATE)


def _statement(found: rpc.Statement) -> Statement:
    """Who decided on our side is not the tenant's to know."""
    lines = tuple(StatementLine(**line.model_dump(by_alias=False, exclude={"actor"})) for line in found.lines)
    told = found.model_dump(by_alias=False, exclude={"lines", "next_after"})
    return Statement(**told, lines=lines, next_cursor=found.next_after)
