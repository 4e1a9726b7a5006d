"""Sessions: started with an API key, renewed with refresh tokens, ended when a refresh token is used twice."""

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
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.handlers.revocation import Revocations
from kiosk_gateway.store import sessions as store
from kiosk_gateway.store.sessions import Session
from kiosk_gateway.store.tenants import find_key

_TOKEN_BYTES = 32
_SALT_BYTES = 16
_GRACE = timedelta(seconds=REFRESH_GRACE_S)


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """The tokens of a session and their scopes."""

    access_token: str
    refresh_token: str
    scopes: tuple[str, ...]


class Sessions:
    """Starts and renews sessions."""

    def __init__(self, begin: Begin, issuer: TokenIssuer, revocations: Revocations) -> None:
        self._begin = begin
        self._issuer = issuer
        self._revocations = revocations

    async def start(self, api_key: str, user: str, scopes: Sequence[str]) -> IssuedTokens:
        """Start a session for a user of the tenant that owns the key.

        Raises:
            Problem: the key is unknown or revoked.
        """
        async with self._begin() as tx:
            key = await find_key(tx.conn, api_key)
            if key is None or not key.is_valid:
                raise problem(INVALID_API_KEY)
            session = Session(uuid4(), key.tenant, user, key.key_id, tuple(scopes))
            await store.add_session(tx.conn, session)
            return await self._issue(tx, session, secrets.token_urlsafe(_TOKEN_BYTES))

    async def renew(self, refresh_token: str) -> IssuedTokens:
        """Return the session's next tokens; the refresh token is used up.

        Raises:
            Problem: the token is unknown or expired. If it was used before the grace period, it was stolen: the
                session ends with all its access tokens.
        """
        async with self._begin() as tx:
            token = await store.use_token(tx.conn, refresh_token, secrets.token_bytes(_SALT_BYTES), _GRACE)
            if token is not None and token.is_valid and token.salt is not None:
                return await self._issue(tx, token.session, _successor(refresh_token, token.salt))
        if token is None or token.salt is not None:
            raise problem(INVALID_REFRESH_TOKEN)
        await self._revocations.end_session(token.session.session_id)
        raise problem(REFRESH_TOKEN_REUSED)

    async def _issue(self, tx: Tx, session: Session, refresh_token: str) -> IssuedTokens:
        expires_at = datetime.now(UTC) + timedelta(seconds=REFRESH_TTL_S)
        await store.add_token(tx.conn, session.session_id, refresh_token, expires_at)
        extra = {SESSION_CLAIM: str(session.session_id), KEY_CLAIM: session.key_id}
        access_token = self._issuer.issue(
            session.user, session.tenant, session.scopes, ACCESS_TTL_S, AUDIENCE, extra=extra
        )
        return IssuedTokens(access_token, refresh_token, session.scopes)


def _successor(refresh_token: str, salt: bytes) -> str:
    """Derive the next refresh token: the same as long as the salt is stored, and unknown without the token."""
    return urlsafe_b64encode(hmac.digest(refresh_token.encode(), salt, "sha256")).rstrip(b"=").decode()
