"""Sessions: an API key begins one, a refresh token carries it on, a stolen one ends it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from closet_chassis.auth import TokenIssuer
from closet_messaging.unit import Begin, Tx

from kiosk_gateway.domain.access import ACCESS_TTL_S, AUDIENCE, REFRESH_TTL_S
from kiosk_gateway.domain.refusals import INVALID_API_KEY, INVALID_REFRESH_TOKEN, REFRESH_TOKEN_REUSED
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.store import sessions as store
from kiosk_gateway.store.tenants import tenant_of_key


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client may now do, and how it goes on after that."""

    access_token: str
    refresh_token: str
    scopes: tuple[str, ...]


class Sessions:
    """Begins and renews sessions."""

    def __init__(self, begin: Begin, issuer: TokenIssuer) -> None:
        self._begin = begin
        self._issuer = issuer

    async def begin(self, api_key: str, user: str, scopes: Sequence[str]) -> Grant:
        """A session for a user of the tenant whose key this is.

        Raises:
            Problem: it is nobody's key.
        """
        async with self._begin() as tx:
            tenant = await tenant_of_key(tx.conn, api_key)
            if tenant is None:
                raise refuse(INVALID_API_KEY)
            session_id = uuid4()
            await store.add_session(tx.conn, session_id, tenant, user, scopes)
            return await self._grant(tx, session_id, tenant, user, tuple(scopes))

    async def renew(self, refresh_token: str) -> Grant:
        """The session's next tokens; the refresh token is used up.

        Raises:
            Problem: it is not good. If it was used before, someone has stolen it, and the session ends.
        """
        refusal = INVALID_REFRESH_TOKEN
        async with self._begin() as tx:
            token = await store.use_token(tx.conn, refresh_token)
            if token is not None and token.used:
                await store.revoke(tx.conn, token.session_id)
                refusal = REFRESH_TOKEN_REUSED
            elif token is not None and token.good:
                return await self._grant(tx, token.session_id, token.tenant, token.user, token.scopes)
        raise refuse(refusal)

    async def _grant(self, tx: Tx, session_id: UUID, tenant: str, user: str, scopes: tuple[str, ...]) -> Grant:
        refresh_token = secrets.token_urlsafe(32)
        expires_at = datetime.now(UTC) + timedelta(seconds=REFRESH_TTL_S)
        await store.add_token(tx.conn, session_id, refresh_token, expires_at)
        access_token = self._issuer.issue(user, tenant, scopes, ACCESS_TTL_S, AUDIENCE)
        return Grant(access_token, refresh_token, scopes)
