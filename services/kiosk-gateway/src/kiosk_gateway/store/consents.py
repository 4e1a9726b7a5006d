"""The current consents, and the log of all changes as evidence."""

from dataclasses import dataclass
from datetime import datetime

from closet_messaging.transaction import Connection


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """A person's consent: the version of the terms, when it was given, and when it was withdrawn."""

    version: str
    given_at: datetime
    withdrawn_at: datetime | None


async def read(conn: Connection, tenant: str, user: str) -> ConsentRecord | None:
    """Return the person's consent, None if they never gave one."""
    row = await conn.fetchrow(
        "SELECT version, given_at, withdrawn_at FROM consents WHERE tenant_id = $1 AND user_id = $2",
        tenant,
        user,
    )
    return ConsentRecord(*row) if row else None


async def give(conn: Connection, tenant: str, user: str, version: str) -> ConsentRecord:
    """Record consent, at a time later than that of any earlier withdrawal even if the clock was set back."""
    (row,) = await conn.fetch(
        """
        INSERT INTO consents AS c (tenant_id, user_id, version, given_at) VALUES ($1, $2, $3, clock_timestamp())
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET version = $3, withdrawn_at = NULL,
            given_at = greatest(clock_timestamp(), c.withdrawn_at + interval '1 microsecond')
        RETURNING version, given_at, withdrawn_at
        """,
        tenant,
        user,
        version,
    )
    return await _log(conn, tenant, user, ConsentRecord(*row), given=True)


async def withdraw(conn: Connection, tenant: str, user: str) -> ConsentRecord | None:
    """Record the withdrawal of a valid consent; None if there is none."""
    row = await conn.fetchrow(
        """
        UPDATE consents SET withdrawn_at = greatest(clock_timestamp(), given_at + interval '1 microsecond')
        WHERE tenant_id = $1 AND user_id = $2 AND withdrawn_at IS NULL RETURNING version, given_at, withdrawn_at
        """,
        tenant,
        user,
    )
    return await _log(conn, tenant, user, ConsentRecord(*row), given=False) if row else None


async def _log(conn: Connection, tenant: str, user: str, consent: ConsentRecord, *, given: bool) -> ConsentRecord:
    await conn.execute(
        "INSERT INTO consent_log (tenant_id, user_id, version, given, at) VALUES ($1, $2, $3, $4, $5)",
        tenant,
        user,
        consent.version,
        given,
        consent.given_at if given else consent.withdrawn_at,
    )
    return consent
