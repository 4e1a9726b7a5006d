"""One line of the route table: what is served, to whom, and everything that documents it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION
from closet_chassis.auth import TokenInvalid
from pydantic import BaseModel

from kiosk_gateway.domain.access import Caller, Scope
from kiosk_gateway.domain.refusals import INSUFFICIENT_SCOPE, INVALID_TOKEN, Refusal
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.http.context import CALLER, CLAIMS, GATEWAY

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Media(StrEnum):
    """What an answer is made of, where it is not a JSON model."""

    EVENTS = "text/event-stream"
    HTML = "text/html"
    JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `answers` holds the model or media of each status that is no problem, None for no body."""

    method: str
    path: str
    handler: Handler | None  # None: the chassis serves it
    summary: str
    answers: Mapping[int, type[BaseModel] | Media | None]
    scope: Scope | None = None  # needs an access token with it
    signed_in: bool = False  # needs an access token, whatever it allows
    api_key: bool = False  # needs a tenant's API key
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    idempotent: bool = False
    refuses: tuple[Refusal, ...] = ()


def serve(app: web.Application, route: Route) -> None:
    """Add the route to the application."""
    if route.handler is not None:
        needs_token = route.signed_in or route.scope is not None
        handler = _for_bearers_of(route.scope, route.handler) if needs_token else route.handler
        app.router.add_route(route.method, route.path, handler)


def bearer(request: web.Request) -> str | None:
    """The secret in the Authorization header; ours are ASCII, and other bytes may be no text at all."""
    scheme, _, secret = request.headers.get(AUTHORIZATION, "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.isascii() else None


def _for_bearers_of(scope: Scope | None, handler: Handler) -> Handler:
    async def authorised(request: web.Request) -> web.StreamResponse:
        token = bearer(request)
        try:
            claims = request.app[GATEWAY].verifier.verify(token or "")
        except TokenInvalid as error:
            raise refuse(INVALID_TOKEN) from error
        if request.app[GATEWAY].revocations.covers(claims):
            raise refuse(INVALID_TOKEN)
        if scope is not None and scope not in claims.scopes:
            raise refuse(INSUFFICIENT_SCOPE, f"The access token does not hold the scope {scope}.")
        request[CLAIMS] = claims
        request[CALLER] = Caller(claims.tenant, claims.subject, Scope.GENERATE_LIVE in claims.scopes)
        return await handler(request)

    return authorised
