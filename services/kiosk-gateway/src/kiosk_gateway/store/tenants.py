"""Tenants and their API keys."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from closet_messaging.transaction import Connection


def digest(secret: str) -> bytes:
    """Return the digest under which a random secret is stored."""
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret. `is_valid` unless the key or its tenant is revoked."""

    tenant: str
    key_id: str
    prefix: str
    created_at: datetime
    is_valid: bool


_KEYS = """
    SELECT tenant_id AS tenant, key_id, prefix, k.created_at,
        (k.revoked_at IS NULL AND t.revoked_at IS NULL) AS is_valid
    FROM api_keys k JOIN tenants t USING (tenant_id)
"""


async def find_key(conn: Connection, api_key: str) -> ApiKey | None:
    """Return the key's record, None if it is unknown."""
    row = await conn.fetchrow(f"{_KEYS} WHERE key_hash = $1", digest(api_key))
    return ApiKey(**row) if row else None


async def list_keys(conn: Connection, tenant: str) -> list[ApiKey]:
    """Return the tenant's keys, oldest first."""
    rows = await conn.fetch(f"{_KEYS} WHERE tenant_id = $1 ORDER BY k.created_at", tenant)
    return [ApiKey(**row) for row in rows]


async def put_tenant(conn: Connection, tenant: str, name: str) -> None:
    """Create the tenant, or rename it."""
    await conn.execute(
        "INSERT INTO tenants (tenant_id, name) VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET name = $2",
        tenant,
        name,
    )


async def put_api_key(conn: Connection, tenant: str, api_key: str, prefix: str) -> None:
    """Store the key unless it is stored."""
    await conn.execute(
        "INSERT INTO api_keys (key_hash, tenant_id, prefix) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        digest(api_key),
        tenant,
        prefix,
    )
