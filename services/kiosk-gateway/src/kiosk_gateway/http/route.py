"""What all routes share: a row of the route table, bodies, callers, idempotency keys, private replies."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import orjson
from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION
from closet_chassis.auth import Claims, TokenInvalid, TokenVerifier
from closet_chassis.http import reply
from closet_chassis.problems import Handler
from closet_contracts.text import ONE_LINE
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

from kiosk_gateway.domain.access import Caller, Scope
from kiosk_gateway.domain.refusals import INSUFFICIENT_SCOPE, INVALID_IDEMPOTENCY_KEY, INVALID_TOKEN, Refusal
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.handlers.revocation import Revocations
from kiosk_gateway.store.idempotency import Key

CALLER = web.RequestKey("caller", Caller)
CLAIMS = web.RequestKey("claims", Claims)
PRIVATE = {"Cache-Control": "private, no-store"}
_VISIBLE_ASCII = re.compile(r"[!-~]{1,255}")

Text = Annotated[str, StringConstraints(max_length=255), ONE_LINE]


class Json(BaseModel):
    """A JSON object of this API, in camelCase."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
    )


class RequestBody(Json):
    """A request's body or query; an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", validate_by_name=False)


class Media(StrEnum):
    """The media type of an answer that is not a JSON model."""

    EVENTS = "text/event-stream"
    HTML = "text/html"
    JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the route table.

    Attributes:
        handler: serves the route; None if the chassis does.
        answers: the model or media type of each status that is not a problem; None for an empty body.
        scope: the scope that the access token must hold.
        needs_token: whether a token with any scopes is needed.
        needs_api_key: whether a tenant's API key is needed.
    """

    method: str
    path: str
    handler: Handler | None
    summary: str
    answers: Mapping[int, type[BaseModel] | Media | None]
    scope: Scope | None = None
    needs_token: bool = False
    needs_api_key: bool = False
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    idempotent: bool = False
    refuses: tuple[Refusal, ...] = ()


class Authenticator:
    """Checks access tokens; afterwards the request holds its `CLAIMS` and its `CALLER`."""

    def __init__(self, verifier: TokenVerifier, revocations: Revocations) -> None:
        self._verifier = verifier
        self._revocations = revocations

    def protect(self, handler: Handler, scope: Scope | None) -> Handler:
        """Return a handler that serves only requests whose access token is valid and holds the scope."""

        async def authenticated(request: web.Request) -> web.StreamResponse:
            claims = self._verify(request)
            if scope is not None and scope not in claims.scopes:
                raise problem(INSUFFICIENT_SCOPE, f"The access token does not hold the scope {scope}.")
            request[CLAIMS] = claims
            request[CALLER] = Caller(claims.tenant, claims.subject, Scope.GENERATE_LIVE in claims.scopes)
            return await handler(request)

        return authenticated

    def _verify(self, request: web.Request) -> Claims:
        try:
            claims = self._verifier.verify(bearer(request) or "")
        except TokenInvalid as error:
            raise problem(INVALID_TOKEN) from error
        if self._revocations.covers(claims):
            raise problem(INVALID_TOKEN)
        return claims


def serve(app: web.Application, routes: Iterable[Route], authenticator: Authenticator) -> None:
    """Add the routes to the application."""
    for route in routes:
        if route.handler is not None:
            is_protected = route.needs_token or route.scope is not None
            handler = authenticator.protect(route.handler, route.scope) if is_protected else route.handler
            app.router.add_route(route.method, route.path, handler)


def bearer(request: web.Request) -> str | None:
    """Return the secret in the Authorization header; None if there is none, or not in ASCII as all of ours are."""
    scheme, _, secret = request.headers.get(AUTHORIZATION, "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.isascii() else None


def idempotency_key(request: web.Request, body: BaseModel | Mapping[str, Any]) -> Key | None:
    """Return the request's Idempotency-Key with a digest of the request; None if it has none.

    Raises:
        Problem: the header is not a valid key.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _VISIBLE_ASCII.fullmatch(key):
        raise problem(INVALID_IDEMPOTENCY_KEY)
    fields = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
    content = orjson.dumps([request.method, request.path, fields], option=orjson.OPT_SORT_KEYS)
    caller = request[CALLER]
    return Key(caller.tenant, caller.user, key, hashlib.sha256(content).digest())


def reply_private(body: BaseModel | Mapping[str, Any], status: int = 200) -> web.Response:
    """Return a JSON answer that no cache may store."""
    return reply(body, status=status, headers=PRIVATE)
