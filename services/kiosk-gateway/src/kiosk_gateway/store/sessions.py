"""Sessions and their refresh tokens, of which each is good once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from closet_messaging.unit import Connection

from kiosk_gateway.store.tenants import digest


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token with its session, locked."""

    session_id: UUID
    tenant: str
    user: str
    scopes: tuple[str, ...]
    good: bool
    used: bool


async def add_session(conn: Connection, session_id: UUID, tenant: str, user: str, scopes: Sequence[str]) -> None:
    """Begin a session."""
    await conn.execute(
        "INSERT INTO sessions (session_id, tenant_id, user_id, scopes) VALUES ($1, $2, $3, $4)",
        session_id,
        tenant,
        user,
        list(scopes),
    )


async def add_token(conn: Connection, session_id: UUID, token: str, expires_at: datetime) -> None:
    """Add the session's next token."""
    await conn.execute(
        "INSERT INTO refresh_tokens (token_hash, session_id, expires_at) VALUES ($1, $2, $3)",
        digest(token),
        session_id,
        expires_at,
    )


async def use_token(conn: Connection, token: str) -> RefreshToken | None:
    """Use the token up: the session is locked, so that of two who bring one token only the first finds it unused."""
    row = await conn.fetchrow(
        """
        SELECT session_id, tenant_id, user_id, scopes, revoked_at, expires_at > now() AS fresh
        FROM refresh_tokens JOIN sessions USING (session_id) WHERE token_hash = $1 FOR UPDATE OF sessions
        """,
        digest(token),
    )
    if row is None:
        return None
    used = await conn.fetchval(
        "UPDATE refresh_tokens SET used_at = now() WHERE token_hash = $1 AND used_at IS NULL RETURNING true",
        digest(token),
    )
    return RefreshToken(
        session_id=row["session_id"],
        tenant=row["tenant_id"],
        user=row["user_id"],
        scopes=tuple(row["scopes"]),
        good=row["fresh"] and row["revoked_at"] is None,
        used=not used,
    )


async def revoke(conn: Connection, session_id: UUID) -> None:
    """End a session; its access tokens run out by themselves."""
    await conn.execute(
        "UPDATE sessions SET revoked_at = now() WHERE session_id = $1 AND revoked_at IS NULL", session_id
    )


async def forget_expired(conn: Connection, limit: int) -> int:
    """Delete sessions whose last token has expired, at most so many; how many."""
    tag = await conn.execute(
        """
        DELETE FROM sessions WHERE session_id = ANY(ARRAY(
            SELECT session_id FROM sessions s WHERE created_at < now() - interval '7 days'
            AND NOT EXISTS (SELECT FROM refresh_tokens t WHERE t.session_id = s.session_id AND t.expires_at > now())
            ORDER BY created_at LIMIT $1))
        """,
        limit,
    )
    return int(tag.rpartition(" ")[2])
