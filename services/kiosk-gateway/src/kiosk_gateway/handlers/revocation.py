"""The list of revocations in memory, so that access tokens are checked without a query."""

from datetime import timedelta
from uuid import UUID

from closet_chassis.auth import Claims
from closet_chassis.postgres import Pool
from closet_messaging.transaction import Begin

from kiosk_gateway.domain.access import ACCESS_TTL_S, KEY_CLAIM, SESSION_CLAIM, Revoked, RevokedKind
from kiosk_gateway.store import revocations as store

REFRESH_INTERVAL_S = 1.0
MAX_AGE = timedelta(seconds=ACCESS_TTL_S + 60)  # no access token lives longer; the minute allows for clock skew


class Revocations:
    """Revocations, read every `REFRESH_INTERVAL_S` by each replica; the last list stays in force without a database."""

    def __init__(self, pool: Pool, begin: Begin) -> None:
        self._pool = pool
        self._begin = begin
        self._revoked: frozenset[Revoked] = frozenset()

    async def refresh(self) -> bool:
        """Read the list; return False, since as a step of a `work_loop` it never has more to do at once."""
        async with self._pool.acquire() as conn:
            self._revoked = await store.recent(conn, MAX_AGE)
        return False

    def covers(self, claims: Claims) -> bool:
        """Return whether the token with these claims is revoked."""
        if not self._revoked:
            return False
        named = {
            (RevokedKind.TENANT, claims.tenant),
            (RevokedKind.API_KEY, claims.extra.get(KEY_CLAIM)),
            (RevokedKind.SESSION, claims.extra.get(SESSION_CLAIM)),
        }
        return not self._revoked.isdisjoint(named)

    async def end_session(self, session_id: UUID) -> None:
        """Revoke a session: on this replica at once, on the others at their next refresh."""
        async with self._begin() as tx:
            await store.revoke_session(tx.conn, session_id)
        self._revoked |= {(RevokedKind.SESSION, str(session_id))}
