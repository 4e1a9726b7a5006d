"""Tokens: for a tenant's server, for a session that goes on, and the keys to check them by."""

from uuid import UUID

from aiohttp import web
from closet_chassis.http import read_model, reply

from kiosk_gateway.domain.access import ACCESS_TTL_S, REFRESH_TTL_S, SESSION_CLAIM, Scope
from kiosk_gateway.domain.refusals import INVALID_API_KEY, INVALID_TOKEN
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.handlers.sessions import Grant
from kiosk_gateway.http.context import CLAIMS, GATEWAY
from kiosk_gateway.http.models import RefreshRequest, TokenRequest, Tokens
from kiosk_gateway.http.route import bearer

_SECRET = {"Cache-Control": "no-store"}
_KEYS = {"Cache-Control": "public, max-age=300"}


async def mint(request: web.Request) -> web.StreamResponse:
    """POST /auth/token."""
    body = await read_model(request, TokenRequest)
    api_key = bearer(request)
    if not api_key:
        raise refuse(INVALID_API_KEY)
    scopes = tuple(dict.fromkeys(body.scopes))
    grant = await request.app[GATEWAY].sessions.begin(api_key, body.user_id, scopes)
    return reply(_tokens(grant), headers=_SECRET)


async def refresh(request: web.Request) -> web.StreamResponse:
    """POST /auth/refresh."""
    body = await read_model(request, RefreshRequest)
    grant = await request.app[GATEWAY].sessions.renew(body.refresh_token)
    return reply(_tokens(grant), headers=_SECRET)


async def end_session(request: web.Request) -> web.StreamResponse:
    """DELETE /auth/session."""
    session_id = request[CLAIMS].extra.get(SESSION_CLAIM)
    if session_id is None:  # of an older release; the next one names its session
        raise refuse(INVALID_TOKEN)
    await request.app[GATEWAY].revocations.end_session(UUID(session_id))
    return web.Response(status=204, headers=_SECRET)


async def jwks(request: web.Request) -> web.StreamResponse:
    """GET /.well-known/jwks.json."""
    return reply(request.app[GATEWAY].issuer.jwks(), headers=_KEYS)


def _tokens(grant: Grant) -> Tokens:
    return Tokens(
        access_token=grant.access_token,
        expires_in=ACCESS_TTL_S,
        refresh_token=grant.refresh_token,
        refresh_expires_in=REFRESH_TTL_S,
        scopes=tuple(map(Scope, grant.scopes)),
    )
