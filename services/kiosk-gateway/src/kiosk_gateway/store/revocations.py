"""Revocations of tenants, API keys and sessions."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection

from kiosk_gateway.domain.access import Revoked, RevokedKind


async def revoke_tenant(conn: Connection, tenant: str) -> bool:
    """Revoke all keys and sessions of the tenant until it is restored; return whether it exists."""
    found = await conn.fetchval(
        "UPDATE tenants SET revoked_at = coalesce(revoked_at, now()) WHERE tenant_id = $1 RETURNING true", tenant
    )
    if found:
        await _record(conn, RevokedKind.TENANT, [tenant])
    return bool(found)


async def restore_tenant(conn: Connection, tenant: str) -> bool:
    """Make the tenant's keys and sessions valid again; return whether it exists."""
    await conn.execute("DELETE FROM revocations WHERE kind = $1 AND id = $2", RevokedKind.TENANT, tenant)
    found = await conn.fetchval("UPDATE tenants SET revoked_at = NULL WHERE tenant_id = $1 RETURNING true", tenant)
    return bool(found)


async def revoke_key(conn: Connection, key_id: str) -> bool:
    """Revoke the key and every session that it started; return whether it exists."""
    found = await conn.fetchval(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = $1 RETURNING true", key_id
    )
    if found:
        await _record(conn, RevokedKind.API_KEY, [key_id])
    return bool(found)


async def revoke_session(conn: Connection, session_id: UUID) -> bool:
    """End a session; return whether it exists."""
    found = await conn.fetchval(
        "UPDATE sessions SET revoked_at = coalesce(revoked_at, now()) WHERE session_id = $1 RETURNING true", session_id
    )
    if found:
        await _record(conn, RevokedKind.SESSION, [str(session_id)])
    return bool(found)


async def revoke_user(conn: Connection, tenant: str, user: str) -> int:
    """End every session of a tenant's user; return how many were open."""
    rows = await conn.fetch(
        """
        UPDATE sessions SET revoked_at = now()
        WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING session_id
        """,
        tenant,
        user,
    )
    await _record(conn, RevokedKind.SESSION, [str(row["session_id"]) for row in rows])
    return len(rows)


async def recent(conn: Connection, age: timedelta) -> frozenset[Revoked]:
    """Return what was revoked within `age`."""
    rows = await conn.fetch("SELECT kind, id FROM revocations WHERE revoked_at > now() - $1::interval", age)
    return frozenset((RevokedKind(row["kind"]), row["id"]) for row in rows)


async def delete_expired(conn: Connection, age: timedelta, limit: int) -> int:
    """Delete at most `limit` revocations older than `age`; return how many."""
    tag = await conn.execute(
        """
        DELETE FROM revocations WHERE (kind, id) IN (
            SELECT kind, id FROM revocations WHERE revoked_at < now() - $1::interval ORDER BY revoked_at LIMIT $2)
        """,
        age,
        limit,
    )
    return affected(tag)


async def _record(conn: Connection, kind: RevokedKind, ids: Sequence[str]) -> None:
    await conn.execute(
        """
        INSERT INTO revocations (kind, id) SELECT $1, id FROM unnest($2::text[]) AS id
        ON CONFLICT (kind, id) DO UPDATE SET revoked_at = now()
        """,
        kind,
        list(ids),
    )
