"""Uploads: whose they are, and the result of their check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from closet_contracts.upload import Asset
from closet_messaging.transaction import Connection

from upload_signer.domain import Owner, Rejection, State


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload. It has an asset if it is ready, and a rejection if it is rejected."""

    upload_id: str
    owner: Owner
    state: State
    asset: Asset | None = None
    rejection: Rejection | None = None


async def find(conn: Connection, upload_ids: Sequence[str]) -> dict[str, Upload]:
    """Return the uploads that are known, by id."""
    rows = await conn.fetch(
        "SELECT upload_id, tenant_id, user_id, state, asset, code, message FROM uploads WHERE upload_id = ANY($1)",
        upload_ids,
    )
    return {row["upload_id"]: _upload(row) for row in rows}


async def upsert_pending(
    conn: Connection, wanted: Mapping[str, bool], owner: Owner, until: datetime
) -> dict[str, Upload]:
    """Insert the uploads that are new, owned by `owner`, keep all of them until `until`, and return them by id.

    All of them are locked, so that none is settled before the commit. Locks are taken in order of id, as `lock_leases`
    takes them. `wanted` says of each upload whether it is used as a mask.
    """
    rows = await conn.fetch(
        """
        INSERT INTO uploads (upload_id, is_mask, tenant_id, user_id, wanted_until, size_bytes)
        SELECT upload_id, is_mask, $3, $4, $5, coalesce(size_bytes, 0)
        FROM unnest($1::text[], $2::bool[]) AS t (upload_id, is_mask) LEFT JOIN put_urls USING (upload_id)
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


async def mark_ready(conn: Connection, assets: Mapping[str, Asset]) -> None:
    """Settle these uploads as ready and end their leases.

    This does not check the leases: the caller has to lock them by `lock_leases` in the same transaction, and pass only
    uploads whose lease it holds.
    """
    await conn.executemany(
        """
        UPDATE uploads SET state = 'ready', asset = $2, settled_at = now(), lease = NULL WHERE upload_id = $1
        """,
        [(upload_id, asset.model_dump(mode="json")) for upload_id, asset in assets.items()],
    )


async def mark_rejected(conn: Connection, rejections: Mapping[str, Rejection]) -> None:
    """Settle these uploads as rejected and end their leases.

    The caller has to hold the leases, as for `mark_ready`.
    """
    await conn.executemany(
        """
        UPDATE uploads SET state = 'rejected', code = $2, message = $3, settled_at = now(), lease = NULL
        WHERE upload_id = $1
        """,
        [(upload_id, rejection.code, rejection.message) for upload_id, rejection in rejections.items()],
    )


async def delete_uploads(conn: Connection, upload_ids: Sequence[str]) -> None:
    """Delete these uploads and the waits for them, as before the first job that named them.

    The caller has to hold the leases, as for `mark_ready`.
    """
    await conn.execute("DELETE FROM uploads WHERE upload_id = ANY($1)", upload_ids)


def _upload(row: asyncpg.Record) -> Upload:
    return Upload(
        upload_id=row["upload_id"],
        owner=Owner(row["tenant_id"], row["user_id"]),
        state=State(row["state"]),
        asset=Asset.model_validate(row["asset"]) if row["asset"] else None,
        rejection=Rejection(row["code"], row["message"]) if row["code"] else None,
    )
