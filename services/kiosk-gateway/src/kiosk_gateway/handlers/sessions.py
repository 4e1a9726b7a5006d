"""Sessions: an API key begins one, a refresh token carries it on, a stolen one ends it."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from closet_chassis.auth import TokenIssuer
from closet_messaging.transaction import Begin, Tx

from kiosk_gateway.domain.access import (
    ACCESS_TTL_S,
    AUDIENCE,
    KEY_CLAIM,
    REFRESH_GRACE_S,
    REFRESH_TTL_S,
    SESSION_CLAIM,
)
from kiosk_gateway.domain.refusals import INVALID_API_KEY, INVALID_REFRESH_TOKEN, REFRESH_TOKEN_REUSED
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.handlers.revocation import Revocations
from kiosk_gateway.store import sessions as store
from kiosk_gateway.store.sessions import Session
from kiosk_gateway.store.tenants import find_key

_TOKEN_BYTES = 32
_SALT_BYTES = 16
_GRACE = timedelta(seconds=REFRESH_GRACE_S)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client may now do, and how it goes on after that."""

    access_token: str
    refresh_token: str
    scopes: tuple[str, ...]


class Sessions:
    """Begins and renews sessions."""

    def __init__(self, begin: Begin, issuer: TokenIssuer, revocations: Revocations) -> None:
        self._begin = begin
        self._issuer = issuer
        self._revocations = revocations

    async def begin(self, api_key: str, user: str, scopes: Sequence[str]) -> Grant:
        """A session for a user of the tenant whose key this is.

        Raises:
            Problem: it is nobody's key, or revoked.
        """
        async with self._begin() as tx:
            key = await find_key(tx.conn, api_key)
            if key is None or not key.good:
                raise refuse(INVALID_API_KEY)
            session = Session(uuid4(), key.tenant, user, key.key_id, tuple(scopes))
            await store.add_session(tx.conn, session)
            return await self._grant(tx, session, secrets.token_urlsafe(_TOKEN_BYTES))

    async def renew(self, refresh_token: str) -> Grant:
        """The session's next tokens; the refresh token is used up.

        Raises:
            Problem: it is not good. If it was used before, and not just now, someone has stolen it, and the session
                ends with all its access tokens.
        """
        async with self._begin() as tx:
            token = await store.use_token(tx.conn, refresh_token, secrets.token_bytes(_SALT_BYTES), _GRACE)
            if token is not None and token.good and token.salt is not None:
                return await self._grant(tx, token.session, _successor(refresh_token, token.salt))
        if token is None or token.salt is not None:
            raise refuse(INVALID_REFRESH_TOKEN)
        await self._revocations.end_session(token.session.session_id)
        raise refuse(REFRESH_TOKEN_REUSED)

    async def _grant(self, tx: Tx, session: Session, refresh_token: str) -> Grant:
        expires_at = datetime.now(UTC) + timedelta(seconds=REFRESH_TTL_S)
        await store.add_token(tx.conn, session.session_id, refresh_token, expires_at)
        named = {SESSION_CLAIM: str(session.session_id), KEY_CLAIM: session.key_id}
        access_token = self._issuer.issue(
            session.user, session.tenant, session.scopes, ACCESS_TTL_S, AUDIENCE, extra=named
        )
        return Grant(access_token, refresh_token, session.scopes)


def _successor(refresh_token: str, salt: bytes) -> str:
    """The same for all who bring the token while its salt is kept; nobody else can tell it."""
    return urlsafe_b64encode(hmac.digest(refresh_token.encode(), salt, "sha256")).rstrip(b"=").decode()
