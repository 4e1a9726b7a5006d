"""What every handler of a request works with: the parts of the service, who asks, and under which key."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from closet_chassis.auth import Claims, TokenIssuer, TokenVerifier
from closet_messaging.bus import Bus
from pydantic import BaseModel

from kiosk_gateway.domain.access import Caller
from kiosk_gateway.domain.refusals import INVALID_IDEMPOTENCY_KEY
from kiosk_gateway.handlers.intake import Intake
from kiosk_gateway.handlers.jobs import Jobs
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.handlers.revocation import Revocations
from kiosk_gateway.handlers.sessions import Sessions
from kiosk_gateway.handlers.templates import Templates
from kiosk_gateway.handlers.uploads import Uploads
from kiosk_gateway.handlers.waiting import Doorbell
from kiosk_gateway.settings import Settings
from kiosk_gateway.store.idempotency import Key

_VISIBLE_ASCII = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of the service."""

    settings: Settings
    bus: Bus
    issuer: TokenIssuer
    verifier: TokenVerifier
    sessions: Sessions
    revocations: Revocations
    uploads: Uploads
    intake: Intake
    jobs: Jobs
    templates: Templates
    doorbell: Doorbell


GATEWAY = web.AppKey("gateway", Gateway)
CALLER = web.RequestKey("caller", Caller)
CLAIMS = web.RequestKey("claims", Claims)


def is_revoked(request: web.Request) -> bool:
    """Was the request's access token revoked, maybe while the request waits?"""
    return request.app[GATEWAY].revocations.covers(request[CLAIMS])


def idempotency_key(request: web.Request, body: BaseModel | Mapping[str, Any]) -> Key | None:
    """The request's Idempotency-Key with a digest of what it asks; None if it has none.

    Raises:
        Problem: it is not a key.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _VISIBLE_ASCII.fullmatch(key):
        raise refuse(INVALID_IDEMPOTENCY_KEY)
    asked = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
    content = orjson.dumps([request.method, request.path, asked], option=orjson.OPT_SORT_KEYS)
    caller = request[CALLER]
    return Key(caller.tenant, caller.user, key, hashlib.sha256(content).digest())
