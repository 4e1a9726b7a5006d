"""Tenants and their API keys."""

import hashlib

from closet_messaging.unit import Connection


def digest(secret: str) -> bytes:
    """What is stored of a random secret."""
    return hashlib.sha256(secret.encode()).digest()


async def tenant_of_key(conn: Connection, api_key: str) -> str | None:
    """Whose key it is."""
    tenant: str | None = await conn.fetchval("SELECT tenant_id FROM api_keys WHERE key_hash = $1", digest(api_key))
    return tenant


async def put_tenant(conn: Connection, tenant: str, name: str) -> None:
    """Create the tenant, or give it this name."""
    await conn.execute(
        "INSERT INTO tenants (tenant_id, name) VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET name = $2",
        tenant,
        name,
    )


async def put_api_key(conn: Connection, tenant: str, api_key: str, prefix: str) -> None:
    """Store the key unless it is there already."""
    await conn.execute(
        "INSERT INTO api_keys (key_hash, tenant_id, prefix) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        digest(api_key),
        tenant,
        prefix,
    )
