"""Tokens for a tenant's users, the end of a session, and the keys that verify access tokens."""

from uuid import UUID

from aiohttp import web
from closet_chassis.auth import TokenIssuer
from closet_chassis.http import read_model, reply

from kiosk_gateway.domain.access import ACCESS_TTL_S, REFRESH_TTL_S, SESSION_CLAIM, Scope
from kiosk_gateway.domain.refusals import INVALID_API_KEY, INVALID_TOKEN
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.handlers.revocation import Revocations
from kiosk_gateway.handlers.sessions import IssuedTokens, Sessions
from kiosk_gateway.http.models import RefreshRequest, TokenRequest, Tokens
from kiosk_gateway.http.route import CLAIMS, bearer

_SECRET = {"Cache-Control": "no-store"}
_PUBLIC = {"Cache-Control": "public, max-age=300"}


class TokenEndpoints:
    """Serves tokens and the end of a session."""

    def __init__(self, sessions: Sessions, revocations: Revocations, issuer: TokenIssuer) -> None:
        self._sessions = sessions
        self._revocations = revocations
        self._issuer = issuer

    async def create(self, request: web.Request) -> web.StreamResponse:
        """POST /auth/token."""
        body = await read_model(request, TokenRequest)
        api_key = bearer(request)
        if not api_key:
            raise problem(INVALID_API_KEY)
        scopes = tuple(dict.fromkeys(body.scopes))
        return _reply(await self._sessions.start(api_key, body.user_id, scopes))

    async def refresh(self, request: web.Request) -> web.StreamResponse:
        """POST /auth/refresh."""
        body = await read_model(request, RefreshRequest)
        return _reply(await self._sessions.renew(body.refresh_token))

    async def end_session(self, request: web.Request) -> web.StreamResponse:
        """DELETE /auth/session."""
        session_id = request[CLAIMS].extra.get(SESSION_CLAIM)
        if session_id is None:  # a token of an older release, without the claim
            raise problem(INVALID_TOKEN)
        await self._revocations.end_session(UUID(session_id))
        return web.Response(status=204, headers=_SECRET)

    async def jwks(self, _request: web.Request) -> web.StreamResponse:
        """GET /.well-known/jwks.json."""
        return reply(self._issuer.jwks(), headers=_PUBLIC)


def _reply(issued: IssuedTokens) -> web.Response:
    tokens = Tokens(
        access_token=issued.access_token,
        expires_in=ACCESS_TTL_S,
        refresh_token=issued.refresh_token,
        refresh_expires_in=REFRESH_TTL_S,
        scopes=tuple(map(Scope, issued.scopes)),
    )
    return reply(tokens, headers=_SECRET)
