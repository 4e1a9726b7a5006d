"""Sessions and their refresh tokens, each of which can be used once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection

from kiosk_gateway.store.tenants import digest


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a tenant's user: the API key that started it, and its scopes."""

    session_id: UUID
    tenant: str
    user: str
    key_id: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token and its locked session. `salt` derives the successor; None if used before the grace period."""

    session: Session
    is_valid: bool
    salt: bytes | None


async def add_session(conn: Connection, session: Session) -> None:
    """Store a new session."""
    await conn.execute(
        "INSERT INTO sessions (session_id, tenant_id, user_id, key_id, scopes) VALUES ($1, $2, $3, $4, $5)",
        session.session_id,
        session.tenant,
        session.user,
        session.key_id,
        list(session.scopes),
    )


async def add_token(conn: Connection, session_id: UUID, token: str, expires_at: datetime) -> None:
    """Store the session's next token, unless it is stored: a client asks again after a lost answer."""
    await conn.execute(
        """
        INSERT INTO refresh_tokens (token_hash, session_id, expires_at) VALUES ($1, $2, $3)
        ON CONFLICT (token_hash) DO NOTHING
        """,
        digest(token),
        session_id,
        expires_at,
    )


async def use_token(conn: Connection, token: str, salt: bytes, grace: timedelta) -> RefreshToken | None:
    """Mark the token as used and store the salt of its successor; within `grace` return the salt stored before.

    The session is locked, so that the second of two concurrent uses sees the effect of the first. A token is valid
    only while its tenant, its session and the key that started the session exist and are not revoked.
    """
    row = await conn.fetchrow(
        """
        SELECT session_id, tenant_id, user_id, s.key_id, scopes, expires_at > now() AND s.revoked_at IS NULL
            AND EXISTS (SELECT FROM tenants t WHERE t.tenant_id = s.tenant_id AND t.revoked_at IS NULL)
            AND (s.key_id IS NULL
                OR EXISTS (SELECT FROM api_keys k WHERE k.key_id = s.key_id AND k.revoked_at IS NULL)) AS is_valid
        FROM refresh_tokens JOIN sessions s USING (session_id) WHERE token_hash = $1 FOR UPDATE OF s
        """,
        digest(token),
    )
    if row is None:
        return None
    session = Session(row["session_id"], row["tenant_id"], row["user_id"], row["key_id"], tuple(row["scopes"]))
    return RefreshToken(session, row["is_valid"], await _salt_of(conn, session.session_id, digest(token), salt, grace))


async def _salt_of(
    conn: Connection, session_id: UUID, token_hash: bytes, salt: bytes, grace: timedelta
) -> bytes | None:
    used_now = await conn.fetchval(
        """
        UPDATE refresh_tokens SET used_at = clock_timestamp(), successor_salt = $2
        WHERE token_hash = $1 AND used_at IS NULL RETURNING true
        """,
        token_hash,
        salt,
    )
    if used_now:
        # A client that uses a token has received it: from here on a use of its predecessor is a theft.
        await conn.execute(
            """
            UPDATE refresh_tokens SET successor_salt = NULL
            WHERE session_id = $1 AND token_hash <> $2 AND successor_salt IS NOT NULL
            """,
            session_id,
            token_hash,
        )
        return salt
    stored: bytes | None = await conn.fetchval(
        """
        SELECT successor_salt FROM refresh_tokens
        WHERE token_hash = $1 AND used_at > clock_timestamp() - $2::interval
        """,
        token_hash,
        grace,
    )
    return stored


async def delete_expired(conn: Connection, limit: int) -> int:
    """Delete at most `limit` sessions whose last token has expired; return how many."""
    tag = await conn.execute(
        """
        DELETE FROM sessions WHERE session_id = ANY(ARRAY(
            SELECT session_id FROM sessions s WHERE created_at < now() - interval '7 days'
            AND NOT EXISTS (SELECT FROM refresh_tokens t WHERE t.session_id = s.session_id AND t.expires_at > now())
            ORDER BY created_at LIMIT $1))
        """,
        limit,
    )
    return affected(tag)
