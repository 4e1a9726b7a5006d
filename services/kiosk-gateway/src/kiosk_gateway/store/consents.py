"""Consent as it stands, and the log that proves it."""

from dataclasses import dataclass
from datetime import datetime

from closet_messaging.transaction import Connection


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's word: the version they agreed to, and when they gave and took back their agreement."""

    version: str
    given_at: datetime
    withdrawn_at: datetime | None


async def read(conn: Connection, tenant: str, user: str) -> Consent | None:
    """How the consent stands."""
    row = await conn.fetchrow(
        "SELECT version, given_at, withdrawn_at FROM consents WHERE tenant_id = $1 AND user_id = $2",
        tenant,
        user,
    )
    return Consent(*row) if row else None


async def give(conn: Connection, tenant: str, user: str, version: str) -> Consent:
    """Record consent. Its time is later than that of any withdrawal before it, whatever the clock did."""
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
    return await _logged(conn, tenant, user, Consent(*row), given=True)


async def withdraw(conn: Connection, tenant: str, user: str) -> Consent | None:
    """Record the withdrawal of a standing consent, None if there is none."""
    row = await conn.fetchrow(
        """
        UPDATE consents SET withdrawn_at = greatest(clock_timestamp(), given_at + interval '1 microsecond')
        WHERE tenant_id = $1 AND user_id = $2 AND withdrawn_at IS NULL RETURNING version, given_at, withdrawn_at
        """,
        tenant,
        user,
    )
    return await _logged(conn, tenant, user, Consent(*row), given=False) if row else None


async def _logged(conn: Connection, tenant: str, user: str, consent: Consent, *, given: bool) -> Consent:
    await conn.execute(
        "INSERT INTO consent_log (tenant_id, user_id, version, given, at) VALUES ($1, $2, $3, $4, $5)",
        tenant,
        user,
        consent.version,
        given,
        consent.given_at if given else consent.withdrawn_at,
    )
    return consent
