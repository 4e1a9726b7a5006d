"""Restore from events what the database has lost."""

from collections.abc import Sequence
from datetime import datetime

from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection


async def has_job(conn: Connection, job_id: str) -> bool:
    """Return whether the job is stored."""
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM jobs WHERE job_id = $1)", job_id))


async def put_uploads(conn: Connection, upload_ids: Sequence[str], tenant: str, user: str) -> None:
    """Store the person as the owner of the uploads."""
    await conn.execute(
        """
        INSERT INTO uploads (upload_id, tenant_id, user_id) SELECT DISTINCT id, $2, $3 FROM unnest($1::text[]) AS id
        ON CONFLICT DO NOTHING
        """,
        upload_ids,
        tenant,
        user,
    )


async def give_consent(conn: Connection, tenant: str, user: str, version: str, at: datetime) -> None:
    """Restore a consent and its entry in the log."""
    tag = await conn.execute(
        """
        INSERT INTO consents AS c (tenant_id, user_id, version, given_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET version = $3, given_at = $4, withdrawn_at = NULL
        WHERE c.given_at < $4
        """,
        tenant,
        user,
        version,
        at,
    )
    if affected(tag) == 1:
        await _log(conn, tenant, user, at, given=True)


async def withdraw_consent(conn: Connection, tenant: str, user: str, at: datetime) -> None:
    """Restore a withdrawal and its entry in the log."""
    tag = await conn.execute(
        """
        UPDATE consents SET withdrawn_at = $3
        WHERE tenant_id = $1 AND user_id = $2 AND withdrawn_at IS NULL AND given_at < $3
        """,
        tenant,
        user,
        at,
    )
    if affected(tag) == 1:
        await _log(conn, tenant, user, at, given=False)


async def _log(conn: Connection, tenant: str, user: str, at: datetime, *, given: bool) -> None:
    await conn.execute(
        """
        INSERT INTO consent_log (tenant_id, user_id, version, given, at)
        SELECT $1, $2, version, $3, $4 FROM consents WHERE tenant_id = $1 AND user_id = $2
        """,
        tenant,
        user,
        given,
        at,
    )
