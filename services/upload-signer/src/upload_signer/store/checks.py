"""Checks of uploads, claimed by workers with a lease."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from closet_messaging.transaction import Connection

from upload_signer.domain import SIZE_DELAY_S_PER_BYTE


@dataclass(frozen=True, slots=True)
class Check:
    """An upload that a worker has claimed, until its lease ends."""

    upload_id: str
    tenant_id: str
    lease: UUID
    tries: int
    is_mask: bool
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """The terms of a claim.

    Args:
        lease: identifies the claim.
        lease_s: seconds until others may claim the same uploads.
        limit: the most uploads to claim.
        tenant_limit: the most uploads of one tenant in progress.
        in_progress: number of uploads in progress, by tenant.
        after: claim from the tenants after this one, in order of id.
        up_to: and up to this one, if given.
    """

    lease: UUID
    lease_s: float
    limit: int
    tenant_limit: int
    in_progress: Mapping[str, int] = field(default_factory=dict)
    after: str = ""
    up_to: str | None = None


async def claim(conn: Connection, request: ClaimRequest) -> list[Check]:
    """Claim uploads that are due: first one of each tenant whose turn it is, then further ones.

    The cost does not grow with the queue: it reads `limit` tenants at most, and few uploads of each.
    """
    rows = await conn.fetch(
        _CLAIM,
        request.lease,
        request.lease_s,
        request.limit,
        request.tenant_limit,
        list(request.in_progress),
        list(request.in_progress.values()),
        request.after,
        request.up_to,
        SIZE_DELAY_S_PER_BYTE,
        _CANDIDATES_PER_TENANT,
    )
    return [Check(**row) for row in rows]


_CANDIDATES_PER_TENANT = 16  # the oldest uploads of a tenant; small ones among them come first
_CLAIM = """
    WITH RECURSIVE in_progress AS (
        SELECT * FROM unnest($5::text[], $6::int[]) AS t (tenant_id, checks)
    ), turns (tenant_id, turn) AS (
        (SELECT tenant_id, 1 FROM uploads
         WHERE state = 'unchecked' AND due_at <= now() AND tenant_id > $7 AND ($8::text IS NULL OR tenant_id <= $8)
           AND tenant_id NOT IN (SELECT tenant_id FROM in_progress WHERE checks >= $4)
         ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT next.tenant_id, turn + 1 FROM turns CROSS JOIN LATERAL (
            SELECT tenant_id FROM uploads
            WHERE state = 'unchecked' AND due_at <= now() AND tenant_id > turns.tenant_id
              AND ($8::text IS NULL OR tenant_id <= $8)
              AND tenant_id NOT IN (SELECT tenant_id FROM in_progress WHERE checks >= $4)
            ORDER BY tenant_id LIMIT 1
        ) AS next
        WHERE turn < $3
    ), candidates AS (
        SELECT upload_id, turn,
            coalesce(in_progress.checks, 0) + row_number() OVER (PARTITION BY turn ORDER BY rank) AS place
        FROM turns LEFT JOIN in_progress USING (tenant_id) CROSS JOIN LATERAL (
            SELECT upload_id, due_at + make_interval(secs => $9::float8 * size_bytes) AS rank FROM uploads
            WHERE state = 'unchecked' AND due_at <= now() AND uploads.tenant_id = turns.tenant_id
            ORDER BY due_at LIMIT $10 FOR UPDATE SKIP LOCKED
        ) AS oldest
    ), claimed AS (
        UPDATE uploads SET lease = $1, due_at = now() + make_interval(secs => $2), tries = tries + 1
        FROM (SELECT * FROM candidates WHERE place <= $4 ORDER BY place, turn LIMIT $3) AS chosen
        WHERE uploads.upload_id = chosen.upload_id
        RETURNING uploads.upload_id, tenant_id, lease, tries, is_mask, place, turn
    )
    SELECT upload_id, tenant_id, lease, tries, is_mask, (
        SELECT traceparent FROM waiting_jobs AS w WHERE w.upload_id = claimed.upload_id ORDER BY job_id LIMIT 1
    ) AS traceparent
    FROM claimed ORDER BY place, turn
"""


async def renew(conn: Connection, leases: Mapping[str, UUID], lease_s: float) -> None:
    """Prolong the leases that are still valid."""
    await conn.execute(
        """
        UPDATE uploads SET due_at = now() + make_interval(secs => $3)
        WHERE upload_id = ANY($1) AND lease = ANY($2) AND state = 'unchecked'
        """,
        list(leases),
        list(leases.values()),
        lease_s,
    )


async def lock_leases(conn: Connection, upload_ids: Sequence[str]) -> dict[str, UUID | None]:
    """Lock these uploads in order of id, and return the current lease of each."""
    rows = await conn.fetch(
        "SELECT upload_id, lease FROM uploads WHERE upload_id = ANY($1) ORDER BY upload_id FOR UPDATE", upload_ids
    )
    return {row["upload_id"]: row["lease"] for row in rows}


async def retry(conn: Connection, delays_s: Mapping[str, float]) -> None:
    """Check these uploads again after so many seconds; delete those that no job wants by then, and the waits for them.

    The caller has to hold the leases, as for `mark_ready`.
    """
    await conn.executemany(
        "UPDATE uploads SET due_at = now() + make_interval(secs => $2), lease = NULL WHERE upload_id = $1",
        list(delays_s.items()),
    )
    await conn.execute(
        """
        WITH gone AS (DELETE FROM uploads WHERE upload_id = ANY($1) AND wanted_until < due_at RETURNING upload_id)
        DELETE FROM waiting_jobs AS w USING gone
        WHERE w.picture_ids <> '{}' AND w.picture_ids && ARRAY[gone.upload_id]
        """,
        list(delays_s),
    )
