"""The SQL. Every function takes the connection of the transaction it is part of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from closet_contracts.upload import Asset
from closet_messaging.unit import Connection

from upload_signer.domain import Owner, Refusal, State


@dataclass(frozen=True, slots=True)
class Upload:
    """What is known of an upload."""

    upload_id: str
    owner: Owner
    state: State
    asset: Asset | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """An upload in a worker's hands, until its lease ends."""

    upload_id: str
    tenant_id: str
    lease: UUID
    tries: int
    is_mask: bool
    traceparent: str | None


class Waiting(NamedTuple):
    """A job that waits for an upload. As the cause of an event it stands for the one that made it wait."""

    upload_id: str
    job_id: str
    owner: Owner
    id: str
    traceparent: str | None


async def find(conn: Connection, upload_ids: Sequence[str]) -> dict[str, Upload]:
    """Those of the uploads that are known, by id."""
    rows = await conn.fetch(
        "SELECT upload_id, tenant_id, user_id, state, asset, code, message FROM uploads WHERE upload_id = ANY($1)",
        upload_ids,
    )
    return {row["upload_id"]: _upload(row) for row in rows}


async def want(conn: Connection, wanted: Mapping[str, bool], owner: Owner, until: datetime) -> dict[str, Upload]:
    """The uploads, by id: those that are new now belong to `owner`. They are locked: none is settled before the commit.

    `wanted` says of each whether it is to be a mask. Locks are taken in order of id, as `settle` takes them.
    """
    rows = await conn.fetch(
        """
        INSERT INTO uploads (upload_id, is_mask, tenant_id, user_id, wanted_until)
        SELECT upload_id, is_mask, $3, $4, $5 FROM unnest($1::text[], $2::bool[]) AS t (upload_id, is_mask)
        ORDER BY upload_id
        ON CONFLICT (upload_id) DO UPDATE SET
            wanted_until = greatest(uploads.wanted_until, excluded.wanted_until),
            is_mask = uploads.is_mask OR excluded.is_mask
        RETURNING upload_id, tenant_id, user_id, state, asset, code, message
        """,
        list(wanted),
        list(wanted.values()),
        owner.tenant_id,
        owner.user_id,
        until,
    )
    return {row["upload_id"]: _upload(row) for row in rows}


WAIT = """
    INSERT INTO waiting_jobs (upload_id, job_id, cause_id, traceparent) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""


async def claim(conn: Connection, lease: UUID, lease_s: float, limit: int) -> list[Check]:
    """Take up to `limit` uploads that are due to be checked; others may take them again when the lease has ended."""
    rows = await conn.fetch(
        """
        UPDATE uploads SET lease = $1, due_at = now() + make_interval(secs => $2), tries = tries + 1
        WHERE upload_id = ANY(ARRAY(
            SELECT upload_id FROM uploads WHERE state = 'unchecked' AND due_at <= now()
            ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
        ))
        RETURNING upload_id, tenant_id, lease, tries, is_mask, (
            SELECT traceparent FROM waiting_jobs AS w WHERE w.upload_id = uploads.upload_id ORDER BY job_id LIMIT 1
        ) AS traceparent
        """,
        lease,
        lease_s,
        limit,
    )
    return [Check(**row) for row in rows]


async def renew(conn: Connection, leases: Mapping[str, UUID], lease_s: float) -> None:
    """Prolong these leases, where they still hold."""
    await conn.execute(
        """
        UPDATE uploads SET due_at = now() + make_interval(secs => $3)
        WHERE upload_id = ANY($1) AND lease = ANY($2) AND state = 'unchecked'
        """,
        list(leases),
        list(leases.values()),
        lease_s,
    )


async def hold(conn: Connection, upload_ids: Sequence[str]) -> dict[str, UUID | None]:
    """Lock these uploads, in order of id; who has the lease of each."""
    rows = await conn.fetch(
        "SELECT upload_id, lease FROM uploads WHERE upload_id = ANY($1) ORDER BY upload_id FOR UPDATE", upload_ids
    )
    return {row["upload_id"]: row["lease"] for row in rows}


async def take_waiting(conn: Connection, upload_ids: Iterable[str]) -> list[Waiting]:
    """The jobs that wait for these uploads; they wait no longer."""
    rows = await conn.fetch(
        """
        DELETE FROM waiting_jobs AS w USING uploads AS u WHERE w.upload_id = ANY($1) AND u.upload_id = w.upload_id
        RETURNING w.upload_id, w.job_id, w.cause_id, w.traceparent, u.tenant_id, u.user_id
        """,
        list(upload_ids),
    )
    return [
        Waiting(row[0], row[1], Owner(row["tenant_id"], row["user_id"]), str(row["cause_id"]), row["traceparent"])
        for row in rows
    ]


async def mark_ready(conn: Connection, assets: Mapping[str, Asset]) -> None:
    await conn.executemany(
        """
        UPDATE uploads SET state = 'ready', asset = $2, settled_at = now(), lease = NULL WHERE upload_id = $1
        """,
        [(upload_id, asset.model_dump(mode="json")) for upload_id, asset in assets.items()],
    )


async def mark_rejected(conn: Connection, refusals: Mapping[str, Refusal]) -> None:
    await conn.executemany(
        """
        UPDATE uploads SET state = 'rejected', code = $2, message = $3, settled_at = now(), lease = NULL
        WHERE upload_id = $1
        """,
        [(upload_id, refusal.code, refusal.message) for upload_id, refusal in refusals.items()],
    )


async def forget(conn: Connection, upload_ids: Sequence[str]) -> None:
    """Know nothing of these uploads, as before the first job that wanted them."""
    await conn.execute("DELETE FROM uploads WHERE upload_id = ANY($1)", upload_ids)


async def retry(conn: Connection, delays_s: Mapping[str, float]) -> None:
    """Check these again after so many seconds; those that no job waits for by then are forgotten, waits and all."""
    await conn.executemany(
        "UPDATE uploads SET due_at = now() + make_interval(secs => $2), lease = NULL WHERE upload_id = $1",
        list(delays_s.items()),
    )
    await conn.execute("DELETE FROM uploads WHERE upload_id = ANY($1) AND wanted_until < due_at", list(delays_s))


async def raw_left(conn: Connection, settled_before_s: float, limit: int) -> list[tuple[str, str]]:
    """Tenant and id of uploads that were settled so many seconds ago and whose raw bytes may still be there."""
    rows = await conn.fetch(
        """
        SELECT tenant_id, upload_id FROM uploads
        WHERE state <> 'unchecked' AND raw_left AND settled_at < now() - make_interval(secs => $1)
        ORDER BY settled_at LIMIT $2
        """,
        settled_before_s,
        limit,
    )
    return [(row["tenant_id"], row["upload_id"]) for row in rows]


async def raw_gone(conn: Connection, upload_ids: Sequence[str]) -> None:
    """The raw bytes of these uploads are deleted."""
    await conn.execute("UPDATE uploads SET raw_left = false WHERE upload_id = ANY($1)", upload_ids)


def _upload(row: asyncpg.Record) -> Upload:
    return Upload(
        upload_id=row["upload_id"],
        owner=Owner(row["tenant_id"], row["user_id"]),
        state=State(row["state"]),
        asset=Asset.model_validate(row["asset"]) if row["asset"] else None,
        refusal=Refusal(row["code"], row["message"]) if row["code"] else None,
    )
